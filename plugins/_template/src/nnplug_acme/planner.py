"""A planner: nnU-Net's rules with other defaults."""

from __future__ import annotations

from dataclasses import dataclass

# A class that nnplug-nnunet offers as a component, declared in pyproject.toml. To write your own planner instead,
# give a class the method `plan` of `nnplug.contracts.Planner`: docs/hooks/planner.md has its signature.
from nnplug_nnunet.planning import NnunetPlanner


# A frozen data class: its fields are the options, checked by name and type (`--set planner.base_features=24`).
@dataclass(frozen=True, kw_only=True)
class SmallPlanner(NnunetPlanner):
    """nnU-Net's planner for a small GPU; `NnunetPlanner` explains the options."""

    # A field of the parent class gets another default; a new field would be a new option.
    memory_gb: float | None = 4.0
    base_features: int = 16
    max_features: int | None = 256
