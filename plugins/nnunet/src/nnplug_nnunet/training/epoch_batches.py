"""The training batches of every epoch: a loader for consecutive epochs with equal batch settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from nnplug.contracts import TrainingTask
from nnplug.errors import NnplugError
from nnplug.registry.attribution import broken, expect
from nnplug.runtime.progress import Silent
from nnplug_nnunet.training.batch_settings import BatchSettings, planned_settings
from nnplug_nnunet.training.patches.device_batches import DeviceBatches
from nnplug_nnunet.training.patches.source import Stream
from nnplug_nnunet.training.setup import check_shared, device_batches, make_lane, make_loader
from nnplug_nnunet.training.steps import PatchSteps


class EpochBatches:
    """The training batches of all epochs.

    One loader makes batches ahead for consecutive epochs of equal `BatchSettings`: for the whole training if nothing
    changes. Where they change, be it patch size, batch size or sampler, the loader ends and another one begins. A patch
    depends only on seed, epoch, iteration, its index in the batch and the settings of its epoch, so a training that
    resumes in any epoch gets equal batches.

    The trainer gives the settings of an epoch; callbacks may change them, also because of an earlier validation. So
    they are asked again when the epoch begins, and batches made ahead with other settings are dropped.

    Use it in a `with` block: the threads end with the block.
    """

    def __init__(
        self,
        trainer: PatchSteps,
        task: TrainingTask,
        change: Callable[[BatchSettings, int], BatchSettings],
        epoch: int,
    ) -> None:
        """Check the settings of all epochs that are left; start no thread.

        Args:
            trainer: its options and steps.
            task: the training as planned.
            change: returns the settings for the trainer's settings of an epoch, and the epoch.
            epoch: the first epoch that is left.

        Raises:
            InvalidPlugin: as `settings`.
            NnplugError: as `settings`.
        """
        self._trainer, self._task, self._change = trainer, task, change
        self._lane = make_lane(task.device)
        self._given: dict[int, BatchSettings] = {}
        self._settings: BatchSettings | None = None
        self._batches: DeviceBatches | None = None
        self._epoch = self._end = epoch
        for later in range(epoch, trainer.epochs):  # now, and not after hours of training
            self.settings(later)

    def __enter__(self) -> Self:
        """Begin the loader of the first epoch."""
        if self._epoch < self._trainer.epochs:
            self.of(self._epoch)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads."""
        if self._batches is not None:
            self._batches.__exit__(kind, error, trace)
            self._batches = None

    def settings(self, epoch: int) -> BatchSettings:
        """Return the settings of an epoch.

        Raises:
            InvalidPlugin: the trainer or a callback gives others than a network can be trained with.
            NnplugError: the batch has fewer patches than there are devices.
        """
        if epoch not in self._given:
            self._given[epoch] = checked_settings(self._trainer, self._task, epoch)
        given = self._given[epoch]
        changed = self._change(given, epoch)
        return given if changed == given else checked(self._trainer, self._task, changed, epoch)

    def task(self, epoch: int) -> TrainingTask:
        """Return the task with the patch size and the batch size of an epoch."""
        return self.settings(epoch).applied(self._task)

    def of(self, epoch: int) -> DeviceBatches:
        """Return the batches from the first one of an epoch on; take all of an epoch before asking for the next."""
        settings = self.settings(epoch)
        if self._batches is None or settings != self._settings or epoch >= self._end:
            self._begin(settings, epoch)
        assert self._batches is not None
        return self._batches

    def _begin(self, settings: BatchSettings, epoch: int) -> None:
        """Replace the loader by one for the epochs with these settings."""
        task = settings.applied(self._task)
        if self._settings is not None:  # the notices of the first loader hold for the others
            task = replace(task, progress=Silent())
        self.__exit__(None, None, None)
        later = range(epoch + 1, self._trainer.epochs)
        self._end = next((other for other in later if self.settings(other) != settings), self._trainer.epochs)
        loader = make_loader(self._trainer, task, Stream.TRAINING, epoch, end=self._end, sampler=settings.sampler)
        self._settings, self._batches = settings, device_batches(task, loader, self._lane).__enter__()


def checked_settings(trainer: PatchSteps, task: TrainingTask, epoch: int) -> BatchSettings:
    """Return the batch settings that a trainer gives for an epoch; raises as `checked`."""
    return checked(trainer, task, trainer.batch_settings(task, epoch), epoch)


def checked(trainer: PatchSteps, task: TrainingTask, given: object, epoch: int) -> BatchSettings:
    """Return the batch settings for an epoch, if the network can be trained with them.

    Raises:
        InvalidPlugin: they are no `BatchSettings`, a size is no positive integer, the patch has not the axes of the
            configuration, or the network refuses it; the message names the trainer.
        NnplugError: the batch has fewer patches than there are devices.
    """
    settings, planned = expect(trainer, given, BatchSettings), planned_settings(task)
    patch, batch = settings.patch_size, settings.batch_size
    what = f"gave for epoch {epoch} batches of {batch} patches of {' x '.join(map(str, patch))} voxels"
    if any(not isinstance(size, int) or size < 1 for size in (batch, *patch)):
        raise broken(trainer, f"{what}; expected positive integers")
    if len(patch) != len(planned.patch_size):
        raise broken(trainer, f"{what}; expected {len(planned.patch_size)} axes")
    if patch != planned.patch_size:  # which was checked when it was planned
        try:
            task.check_patch(patch)
        except NnplugError as error:
            raise broken(trainer, f"{what}; {error.lines[0]}") from error
    check_shared(task, batch)
    return settings


def largest_settings(trainer: PatchSteps, task: TrainingTask) -> BatchSettings:
    """Return the settings of the epoch whose batches have the most voxels; raises as `checked`."""
    given = (checked_settings(trainer, task, epoch) for epoch in range(trainer.epochs))
    return max(given, key=lambda settings: settings.voxels)
