"""A planner: nnU-Net's, narrow and with small batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnplug.plans.plans import Plans
from nnplug_nnunet.planning import NnunetPlanner

if TYPE_CHECKING:
    from nnplug.contracts import PlanningContext
    from nnplug.dataset.description import DatasetDescription
    from nnplug.plans.fingerprint import Fingerprint


@dataclass(frozen=True, kw_only=True)
class Narrow(NnunetPlanner):
    """nnU-Net's plans with few features and batches of at most so many samples."""

    base_features: int = 4
    max_features: int | None = 8
    max_batch_size: int = 2

    def plan(self, fingerprint: Fingerprint, description: DatasetDescription, context: PlanningContext) -> Plans:
        """Return nnU-Net's plans with smaller batches."""
        data = super().plan(fingerprint, description, context).data()
        for configuration in data["configurations"].values():
            configuration["batch_size"] = min(configuration["batch_size"], self.max_batch_size)
        return Plans.from_data(data, "the narrow plans")
