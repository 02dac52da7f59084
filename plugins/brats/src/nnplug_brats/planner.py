"""The planner `brats`: nnU-Net's default planner for one configuration, a patch of 128 x 128 x 128 and a batch of 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec

from nnplug.contracts import PlanningContext
from nnplug.dataset.description import DatasetDescription
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Plans
from nnplug_nnunet.planning import NnunetPlanner
from nnplug_nnunet.planning.presets import PLAIN, Budget, Preset

VOLUME, PLANE = "3d_fullres", "2d"
BATCH = 5

PRESET = Preset(
    architecture=PLAIN.architecture,
    memory_gb=PLAIN.memory_gb * BATCH / PLAIN.budget_3d.batch_size,
    budget_3d=Budget(PLAIN.budget_3d.elements, batch_size=BATCH, max_features=320, volume=128**3),
    budget_2d=PLAIN.budget_2d,
    shrink_at_batch_two=False,
    dataset_share=1,
)
"""nnU-Net's budget per sample, for five samples: 20 GB, where the default for two samples is 8 GB."""


@dataclass(frozen=True, kw_only=True)
class BratsPlanner(NnunetPlanner):
    """One configuration as in the BraTS 2020 entry; `NnunetPlanner` explains the other options.

    The first patch has the volume of 128 x 128 x 128 voxels and equal length in mm along every axis. It is smaller if
    the images are smaller, or if the batch does not fit into `memory_gb` (20 by default). Channels, labels and regions
    are those of `dataset.json`.

    Attributes:
        batch_size: of every configuration.
        batch_dice: whether Dice is summed over the batch as if it were one volume.
        regions: whether the network learns the overlapping regions of `dataset.json` if there are any, or exclusive
            classes.
    """

    preset: ClassVar[Preset] = PRESET

    batch_size: int = BATCH
    batch_dice: bool = False
    regions: bool = True

    def __post_init__(self) -> None:
        """Raise `ValueError` if an option allows no plans."""
        super().__post_init__()
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}; expected at least 1")

    def plan(self, fingerprint: Fingerprint, description: DatasetDescription, context: PlanningContext) -> Plans:
        """Return plans with the full resolution, or with the 2d configuration for slices.

        Raises:
            NnplugError: as in `NnunetPlanner.plan`.
        """
        plans = super().plan(fingerprint, description, context)
        name = VOLUME if VOLUME in plans.configurations else PLANE
        chosen = msgspec.structs.replace(
            plans.configurations[name], batch_size=self.batch_size, batch_dice=self.batch_dice
        )
        return msgspec.structs.replace(plans, configurations={name: chosen}, regions=self.regions)
