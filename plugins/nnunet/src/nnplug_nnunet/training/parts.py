"""The parts of a training before its first iteration: network, loss, precision, optimiser and compiled network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from nnplug.contracts import LossFunction, TrainingTask, Workload
from nnplug.runtime.device import memory_format
from nnplug_nnunet.training.compiling import Forward, compiled, forget_compiled, is_wanted, works
from nnplug_nnunet.training.setup import convolution_dtype
from nnplug_nnunet.training.steps import PatchSteps


@dataclass(frozen=True)
class TrainingParts:
    """The parts of a training before its first iteration.

    Attributes:
        network: on its place, in its final memory order, with the layers of an accelerator.
        loss: of `PatchTrainer.make_loss`.
        dtype: number type of convolutions, None for float32.
        scaler: scales the loss in float16 training, else does nothing.
        optimizer: of `PatchTrainer.make_optimizer`.
    """

    network: nn.Module
    loss: LossFunction
    dtype: torch.dtype | None
    scaler: torch.amp.GradScaler
    optimizer: torch.optim.Optimizer


def is_compiled(trainer: PatchSteps, task: TrainingTask) -> bool:
    """Return whether the network is to be compiled: that is wanted, and `torch.compile` works on the device.

    All epochs decide, not those that are left: a resumed training must compute as one without a break.
    """
    return is_wanted(trainer.compile, task.device, trainer.iterations) and works(task.device, task.progress.notice)


def compiled_network(
    learning: TrainingTask, network: nn.Module, dtype: torch.dtype | None, task: TrainingTask
) -> Forward:
    """Return the network, compiled for the batches of a training; the network itself if that fails.

    Args:
        learning: its configuration has the sizes of the training batches.
        network: the network on its device.
        dtype: the type of convolutions, None for float32.
        task: the training as planned; its configuration has the sizes of the validation batches.
    """
    forget_compiled()
    shape, validated = _batch_shape(learning), _batch_shape(task)
    return compiled(network, shape, validated=validated, dtype=dtype, notice=task.progress.notice)


def _batch_shape(task: TrainingTask) -> tuple[int, ...]:
    """Return the shape (B, C, *patch) of a batch of this process."""
    channels = task.cases[task.training[0]].image.shape[0] + len(task.previous_labels)
    samples = len(task.world.part(task.configuration.batch_size))
    return samples, channels, *task.configuration.patch_size


def moved_network(task: TrainingTask, *, compiled: bool) -> nn.Module:
    """Return the network on the device, in the memory order of the training."""
    network = task.network.to(task.device)
    order = memory_format(task.device, task.configuration.dimensions, compiled=compiled)
    return network.to(memory_format=order)  # type: ignore[call-overload, no-any-return]


def make_parts(trainer: PatchSteps, task: TrainingTask, network: nn.Module, place: torch.device) -> TrainingParts:
    """Return the parts of a training.

    Args:
        trainer: its options and steps.
        task: its device decides the precision.
        network: in the memory order of the training.
        place: the device of the network: that of the task, or another one in a rehearsal.
    """
    loss, dtype = trainer.make_loss(task), convolution_dtype(trainer, task.device)
    scaler = torch.amp.GradScaler(place.type, enabled=dtype is torch.float16)
    network = task.accelerate(network, Workload(task.device, "training", dtype))
    optimizer = trainer.make_optimizer(network)  # now the memory order of the parameters is final
    return TrainingParts(network, loss, dtype, scaler, optimizer)
