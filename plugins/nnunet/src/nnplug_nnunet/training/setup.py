"""Set up a training: precision, case index, batches and the check of several devices."""

from __future__ import annotations

from itertools import product
from math import prod

import torch

from nnplug.contracts import (
    AugmentationContext,
    BatchAugmentation,
    Sampler,
    Sampling,
    SamplingContext,
    TrainingTask,
)
from nnplug.errors import NnplugError
from nnplug.preparation.case_index import Indexing, complete_index
from nnplug.registry.attribution import name_of
from nnplug.remedies import Action
from nnplug.runtime.device import autocast_dtype
from nnplug.runtime.executor import LocalExecutor
from nnplug_nnunet.training.options import PatchOptions
from nnplug_nnunet.training.patch_centres import PatchCentres
from nnplug_nnunet.training.patches.device_batches import CudaLane, DeviceBatches, Lane
from nnplug_nnunet.training.patches.loading import PatchLoader
from nnplug_nnunet.training.patches.source import PatchSource, Stream
from nnplug_nnunet.training.steps import PatchSteps

_SMALL_BATCH = 2 << 20  # voxels


def convolution_dtype(options: PatchOptions, device: torch.device) -> torch.dtype | None:
    """Return the number type of convolutions, None for float32."""
    if options.precision == "auto":
        return autocast_dtype(device)
    return {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[options.precision]


def complete_patch_centres(task: TrainingTask) -> None:
    """Draw the patch centres of cases that lack them, because a subclass's entry may not name `PatchCentres`.

    A sampler of the plans names its own index, which the core has made.
    """
    if task.world.is_main and task.sampler is None:
        names, threads = sorted({*task.training, *task.validation}), LocalExecutor(max(task.workers, 1))
        indexing = Indexing(PatchCentres(), task.labels)
        complete_index(task.cases, names, indexing, executor=threads, progress=task.progress)
    task.world.wait()


def make_loader(
    trainer: PatchSteps,
    task: TrainingTask,
    stream: Stream,
    epoch: int,
    *,
    end: int | None = None,
    sampler: Sampler | None = None,
) -> PatchLoader:
    """Return the loader of the batches of consecutive epochs.

    Args:
        trainer: its options and steps.
        task: its configuration gives patch size and batch size.
        stream: training or validation.
        epoch: the first epoch.
        end: the epoch after the last one; None for the rest of the training.
        sampler: places the patches; None for the trainer's `make_sampler`.
    """
    learning = stream is Stream.TRAINING
    names = task.training if learning else task.validation
    context = augmentation_context(trainer, task)
    source = PatchSource(
        cases=task.cases,
        sampling=trainer.make_sampler(task, names) if sampler is None else _bound(sampler, task, names),
        patch_size=task.configuration.patch_size,
        batch_size=task.configuration.batch_size,
        seed=task.seed,
        stream=stream,
        augmentation=task.augmenter.bind(context) if learning else None,
        batched=augmentation_on_device(trainer, task) if learning else None,
        previous_labels=task.previous_labels,
        world=task.world,
    )
    iterations = trainer.iterations_per_epoch if learning else trainer.val_iterations_per_epoch
    places = product(range(epoch, trainer.epochs if end is None else end), range(iterations))
    workers = task.workers if learning else min(task.workers, 1)
    return PatchLoader(source, places, workers=workers, pin_memory=task.device.type == "cuda")


def _bound(sampler: Sampler, task: TrainingTask, names: tuple[str, ...]) -> Sampling:
    return sampler.bind(SamplingContext(task.cases, names, task.labels, task.configuration.batch_size))


def augmentation_context(trainer: PatchSteps, task: TrainingTask) -> AugmentationContext:
    """Return the properties of a training that its augmenter needs."""
    return AugmentationContext(
        patch_size=task.configuration.patch_size,
        mirror_axes=trainer.mirror_axes(task.configuration.dimensions),
        masked_channels=task.masked_channels,
        labels=task.labels,
        previous_labels=task.previous_labels,
    )


def make_lane(device: torch.device) -> Lane | None:
    """Return the way of a training's batches to the device: a GPU augments ahead, other devices do not."""
    return CudaLane(device) if device.type == "cuda" else None


def device_batches(task: TrainingTask, loader: PatchLoader, lane: Lane | None) -> DeviceBatches:
    """Return the batches of a loader on the training device.

    Args:
        task: its configuration gives patch size and batch size.
        loader: makes the batches on the host.
        lane: of `make_lane`, the same for all batches of a training.
    """
    return DeviceBatches(loader, task.device, lane=lane, threads=max(1, batches_ahead(task)))


def batches_ahead(task: TrainingTask) -> int:
    """Return the number of batches that the device makes ahead, each by a thread.

    On a GPU small batches need two threads to launch the operations as fast as it trains; large ones keep it busy with
    one, and need the memory. Other devices make none ahead.
    """
    if task.device.type != "cuda":
        return 0
    voxels = len(task.world.part(task.configuration.batch_size)) * prod(task.configuration.patch_size)
    return 2 if voxels <= _SMALL_BATCH else 1


def augmentation_on_device(trainer: PatchSteps, task: TrainingTask) -> BatchAugmentation | None:
    """Return the augmentation on the device, or None for the threads.

    The device is the default on a GPU, because threads are too slow for it. It is also None if the augmenter has no
    batches; a notice says so.
    """
    chosen = {"auto": task.device.type == "cuda", "device": True, "threads": False}[trainer.augment_on]
    if not chosen:
        return None
    batched = task.augmenter.bind_batches(augmentation_context(trainer, task))
    if batched is None:
        threads = max(task.workers, 1)
        task.progress.notice(
            f"{task.run.path}: {threads} threads augment the patches, because {name_of(task.augmenter)} cannot do so "
            f"on {task.device.type} here; the training may wait for them"
        )
    return batched


def check_together(task: TrainingTask, epoch: int) -> None:
    """Raise unless all processes continue at the same epoch.

    Args:
        task: the training.
        epoch: the next epoch of this process.

    Raises:
        NnplugError: the processes read different states.
    """
    size = task.world.size
    if size == 1:
        return
    epochs = task.world.sum(torch.tensor(epoch, device=task.device))
    if int(epochs) != size * epoch:
        raise NnplugError(f"{task.run.state}: the processes read different states; all must use the same files")


def check_shared(task: TrainingTask, batch_size: int) -> None:
    """Raise `NnplugError` if a batch has fewer patches than there are devices."""
    size = task.world.size
    if batch_size < size:
        raise NnplugError(
            f"{task.run.path}: a batch of {batch_size} cannot be shared by {size} devices. Use at most {batch_size}, "
            "or a larger batch.",
            Action.PLAN_WITH(assignment=f"plan.batch_size={size}"),
        )
