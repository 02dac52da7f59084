"""The memory of each configuration of plans, beside what they were planned for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from nnplug.contracts.capabilities import with_memory_target
from nnplug.contracts.kinds import PLANNER, TRAINER
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError, UnknownComponent
from nnplug.models.open import Member
from nnplug.plans.plans import Plans
from nnplug.profiling.memory.prediction import count_prediction
from nnplug.profiling.memory.training import count_training
from nnplug.registry.components import Kind, Registry
from nnplug.runtime.device import GIGABYTE

GPU = torch.device("cuda")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ConfigurationMemory:
    """The memory of one configuration on a GPU, in GB of 2^30 bytes.

    It is that of tensors; the libraries of the GPU and PyTorch's reserve come on top.

    Attributes:
        configuration: its name.
        batch_size: patches per training step.
        training: at most during a training step; None if it is not known.
        kept: the part of it that is kept between steps: weights, averages of the optimiser, batches.
        prediction: at most during the prediction of an image of the median shape; None if it is not known.
        windows: windows and mirror images per pass of this prediction.
        budget: the memory that the plans are made for; None if the planner has no target.
        unknown: the reasons why something is not known.
    """

    configuration: str
    batch_size: int
    training: float | None
    kept: float | None
    prediction: float | None
    windows: int | None
    budget: float | None
    unknown: tuple[str, ...] = ()

    @property
    def fits(self) -> bool | None:
        """True if a training step takes no more than the budget; None if either is not known."""
        return None if self.training is None or self.budget is None else self.training <= self.budget


def plans_memories(plans: Plans, description: DatasetDescription, registry: Registry) -> list[ConfigurationMemory]:
    """Return the memory of each configuration of plans; see `member_memory`.

    Args:
        plans: the plans.
        description: the content of `dataset.json`.
        registry: the registry with the components of the plans.
    """
    labels, choice = plans.training_description(description), plans.choices.get(Kind.TRAINER)
    trainer = None if choice is None else registry.create(TRAINER, choice.name, choice.options)

    def axes(name: str) -> tuple[int, ...]:
        return () if trainer is None else tuple(trainer.mirror_axes(plans.configuration(name).dimensions))

    members = [Member(plans, labels, name, (), axes(name), ()) for name in plans.configurations]
    return [member_memory(member, registry) for member in members]


def member_memory(member: Member, registry: Registry) -> ConfigurationMemory:
    """Return the memory of a model's member on a GPU. It is counted in some seconds, without a GPU.

    Args:
        member: plans and configuration; its weights are not read.
        registry: the registry with the components of the plans.
    """
    plans, name, description = member.plans, member.configuration, member.description
    components = Registry(entry for entry in registry if entry.kind is not Kind.ACCELERATOR)
    budget = memory_target(plans, components)
    free = None if budget is None else int(budget * GIGABYTE)
    training, untrained = _known(lambda: count_training(plans, name, description, components, GPU))
    predicted, unpredicted = _known(lambda: count_prediction(member, components, GPU, free=free))
    reasons = (("a training step", untrained), ("a prediction", unpredicted))
    return ConfigurationMemory(
        configuration=name,
        batch_size=plans.configuration(name).batch_size,
        training=None if training is None else training.peak / GIGABYTE,
        kept=None if training is None else training.kept / GIGABYTE,
        prediction=None if predicted is None else predicted[0] / GIGABYTE,
        windows=None if predicted is None else predicted[1],
        budget=budget,
        unknown=tuple(f"{name}: the memory of {what} is not known: {reason}" for what, reason in reasons if reason),
    )


def training_gigabytes(
    plans: Plans, name: str, description: DatasetDescription, registry: Registry, device: torch.device
) -> float | None:
    """Return the GB of tensors at most during a training step on a device; None if they are not known."""
    components = Registry(entry for entry in registry if entry.kind is not Kind.ACCELERATOR)
    counted, _ = _known(lambda: count_training(plans, name, description, components, device))
    return None if counted is None else counted.peak / GIGABYTE


def _known(count: Callable[[], Result]) -> tuple[Result | None, str]:
    """Return what is counted, or None and the reason."""
    try:
        return count(), ""
    except Exception as error:  # noqa: BLE001 - components may need numbers, which raises many types
        told = error.lines[0] if isinstance(error, NnplugError) else f"{type(error).__name__}: {error}"
        return None, told.splitlines()[0]


def memory_target(plans: Plans, registry: Registry) -> float | None:
    """Return the memory in GB that plans are made for; None if their planner has no target or is not installed."""
    choice = plans.choices.get(Kind.PLANNER)
    if choice is None:
        return None
    try:
        entry = registry.get(PLANNER, choice.name)
    except UnknownComponent:
        return None
    planner = with_memory_target(entry, entry.create(choice.options))
    return None if planner is None else planner.memory_target()


def memory_data(memory: ConfigurationMemory) -> dict[str, Any]:
    """Return the memory as JSON values."""
    return {**vars(memory), "unknown": list(memory.unknown), "fits": memory.fits}
