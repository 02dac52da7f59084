"""The component `progressive` of kind trainer: nnU-Net's training on patches that grow."""

from __future__ import annotations

from dataclasses import dataclass

from nnplug.contracts import TrainingTask
from nnplug_fast.growth import Growth, growing_settings
from nnplug_nnunet.training.batch_settings import BatchSettings
from nnplug_nnunet.training.trainer import NnUNetTrainer

OVERSAMPLING = 0.5


@dataclass(frozen=True, kw_only=True)
class ProgressiveTrainer(NnUNetTrainer):
    """nnU-Net's training on patches that grow from the smallest that the network takes to the planned one (PGPS).

    Validation and prediction have the planned patch throughout. A training that is extended begins to grow as one of
    its new length.

    Attributes:
        growth: "efficiency" keeps the number of patches of a batch, so that small ones take less time; "performance"
            takes as many as have the voxels of a planned batch, several of each case.
        oversampling: share of a batch whose patches are centred on foreground, if the plans name no sampler.
    """

    growth: Growth = "efficiency"
    oversampling: float = OVERSAMPLING

    def batch_settings(self, task: TrainingTask, epoch: int) -> BatchSettings:
        """Return patch size, batch size and sampler of an epoch."""
        return growing_settings(task, epoch, epochs=self.epochs, growth=self.growth, oversampling=self.oversampling)
