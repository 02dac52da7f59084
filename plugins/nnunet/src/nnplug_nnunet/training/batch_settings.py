"""The settings of the training batches of an epoch: patch size, batch size and sampler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import msgspec

from nnplug.contracts import Sampler, TrainingTask


@dataclass(frozen=True)
class BatchSettings:
    """The settings of the training batches of an epoch; see `PatchTrainer.batch_settings`.

    Attributes:
        patch_size: (z, y, x) or (y, x), voxels; a size that the network takes.
        batch_size: patches per batch, of all devices together.
        sampler: the sampler that places the patches; None for `PatchTrainer.make_sampler`.
    """

    patch_size: tuple[int, ...]
    batch_size: int
    sampler: Sampler | None = None

    @property
    def voxels(self) -> int:
        """The number of voxels of a batch."""
        return self.batch_size * prod(self.patch_size)

    def applied(self, task: TrainingTask) -> TrainingTask:
        """Return a task whose configuration has this patch size and batch size."""
        if self.is_size_of(task):
            return task
        sizes = {"patch_size": self.patch_size, "batch_size": self.batch_size}
        return replace(task, configuration=msgspec.structs.replace(task.configuration, **sizes))

    def is_size_of(self, task: TrainingTask) -> bool:
        """Return whether a task's configuration has this patch size and batch size."""
        planned = planned_settings(task)
        return (self.patch_size, self.batch_size) == (planned.patch_size, planned.batch_size)


def planned_settings(task: TrainingTask) -> BatchSettings:
    """Return the settings with the patch size and the batch size of a task's configuration."""
    return BatchSettings(tuple(task.configuration.patch_size), task.configuration.batch_size)
