"""A training without data, so that the memory of its steps can be counted before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod

import torch

from nnplug.contracts import BatchAugmentation, DrawnSamples, TrainingRehearsal, TrainingTask
from nnplug.runtime.seeds import generator
from nnplug_nnunet.training.epoch_batches import largest_settings
from nnplug_nnunet.training.parts import make_parts
from nnplug_nnunet.training.setup import augmentation_on_device, batches_ahead
from nnplug_nnunet.training.state import PatchBatch, TrainingState
from nnplug_nnunet.training.steps import PatchSteps

_TRIALS = 16
"""Draws of the augmentation for each sample, of which the one with the largest patch is taken."""


def rehearse(trainer: PatchSteps, task: TrainingTask, place: torch.device) -> TrainingRehearsal:
    """Return a training before its first step, with the largest of its batches.

    See `nnplug.contracts.RehearsingTrainer`.

    Args:
        trainer: its options and steps; it does not compile.
        task: the training.
        place: the device of the tensors.
    """
    task = largest_settings(trainer, task).applied(task)
    parts = make_parts(trainer, task, task.network, place)
    network = parts.network.train()
    prepared = trainer.prepare_weights(network)
    state = TrainingState(
        task, network, parts.optimizer, parts.loss, parts.scaler, parts.dtype, network, trainer.deep_supervision
    )
    batch, *others = [_batch(task, place) for _ in range(1 + _further_batches(trainer, task))]

    def step() -> object:
        loss = trainer.training_step(state, batch)
        if prepared is not None:
            prepared.update()
        return loss, others

    augmentation = augmentation_on_device(trainer, task)
    if augmentation is None:
        return TrainingRehearsal(step)
    augment = partial(_augmented, augmentation, task, place)
    return TrainingRehearsal(step, (augment,) * max(1, batches_ahead(task)))


def _further_batches(trainer: PatchSteps, task: TrainingTask) -> int:
    """Return the number of batches on the device beside that of the step: those made ahead, and a CUDA graph's own."""
    graphed = task.device.type == "cuda" and trainer.cuda_graph != "never"
    return batches_ahead(task) + graphed


def _channels(task: TrainingTask) -> int:
    """Return the number of channels of the images, without those of a previous stage."""
    return len(task.configuration.normalization)


def _samples(task: TrainingTask) -> int:
    return len(task.world.part(task.configuration.batch_size))


def _batch(task: TrainingTask, place: torch.device) -> PatchBatch:
    size = tuple(task.configuration.patch_size)
    image = torch.zeros((_samples(task), _channels(task) + len(task.previous_labels), *size), device=place)
    return PatchBatch(image, torch.zeros((_samples(task), 1, *size), dtype=torch.int16, device=place))


def _augmented(augmentation: BatchAugmentation, task: TrainingTask, place: torch.device) -> object:
    """Return an augmented batch whose samples are all moved, if the augmentation moves any."""
    return augmentation(tuple(_drawn(augmentation, task, place)))


def _drawn(augmentation: BatchAugmentation, task: TrainingTask, place: torch.device) -> Iterator[DrawnSamples]:
    """Yield the patches of a batch, grouped by size."""
    channels, size_of = _channels(task), augmentation.cut_size
    draw: Callable[[int, int], object] = lambda sample, trial: augmentation.draw(  # noqa: E731
        generator(task.seed, sample, trial), channels
    )
    drawn = [
        max((draw(sample, trial) for trial in range(_TRIALS)), key=lambda one: prod(size_of(one)))
        for sample in range(_samples(task))
    ]
    for size in sorted({tuple(size_of(one)) for one in drawn}):
        places = tuple(i for i, one in enumerate(drawn) if tuple(size_of(one)) == size)
        image = torch.zeros((len(places), channels, *size), device=place)
        label = torch.zeros((len(places), *size), dtype=torch.int16, device=place)
        previous = torch.zeros_like(label) if task.previous_labels else None
        yield DrawnSamples(places, image, label, tuple(drawn[i] for i in places), previous)
