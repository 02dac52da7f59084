"""Count the memory of a training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from nnplug.contracts import RehearsingTrainer, TrainingRehearsal, TrainingTask
from nnplug.contracts.capabilities import rehearsing
from nnplug.contracts.kinds import TRAINER
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.plans.plans import Plans
from nnplug.profiling.memory.counting import PLACE, counted_memory
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.components import Kind, Registry
from nnplug.training.task import task_without_cases

_STEPS = 2  # an optimiser may allocate its averages in the first one


@dataclass(frozen=True)
class TrainingMemory:
    """The bytes of tensors on the device.

    Attributes:
        kept: before a step: weights, what the optimiser and the trainer keep, batches.
        step: at most during a step, with `kept`.
        beside: at most for the work beside a step, such as the augmentation of the next batches.
    """

    kept: int
    step: int
    beside: int

    @property
    def peak(self) -> int:
        """All together."""
        return self.step + self.beside


def count_training(
    plans: Plans, name: str, description: DatasetDescription, components: Registry, device: torch.device
) -> TrainingMemory:
    """Return the memory of a training step on a device, which may not be here.

    The trainer's own step is computed, on tensors without numbers.

    Args:
        plans: the plans.
        name: the configuration.
        description: the content of `dataset.json`.
        components: the components of the plans; accelerators are not tried.
        device: decides precision, loss and place of the augmentation.

    Raises:
        NnplugError: the trainer does not offer this, a component is not installed, or it needs numbers.
    """
    choice = plans.choice(Kind.TRAINER)
    entry = components.get(TRAINER, choice.name)
    made = entry.create(choice.options)
    trainer = rehearsing(entry, made)
    if trainer is None:
        raise NnplugError(f"{entry} does not offer it (rehearses=True in its entry)")
    return count_rehearsal(trainer, lambda: task_without_cases(plans, name, description, components, device))


def count_rehearsal(trainer: RehearsingTrainer, task: Callable[[], TrainingTask]) -> TrainingMemory:
    """Return the memory of a trainer's step.

    Args:
        trainer: the trainer.
        task: makes the task, with a network that has no numbers.

    Raises:
        ComponentFailed: the trainer needs numbers.
        InvalidPlugin: it gives something else than a `TrainingRehearsal`.
    """
    with counted_memory() as memory:
        given = task()
        with attributed(trainer):
            begun = expect(trainer, trainer.rehearse(given, PLACE), TrainingRehearsal)
            kept = memory.now
            step = max(memory.peak_of(begun.step) for _ in range(_STEPS))
            beside = [memory.peak_of(work) - memory.now for work in begun.beside]
    return TrainingMemory(kept, step, sum(beside))
