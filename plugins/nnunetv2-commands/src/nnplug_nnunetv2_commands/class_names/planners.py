"""nnU-Net's planner classes, and the names of their plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnplug.errors import UnknownComponent


@dataclass(frozen=True)
class PlannerChoice:
    """A planner component, and the name of its plans.

    Attributes:
        component: its name in nnplug.
        plans: name of its plans unless the user gives one.
        resampler: the name of the resampler; None for nnU-Net's default.
        fields: fields of the configurations, as `--set plan.KEY` sets them.
    """

    component: str
    plans: str
    resampler: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


_TOGETHER = {
    "resampling": {
        "image": {"order": 3, "force_separate_z": False},
        "label": {"order": 1, "force_separate_z": False},
        "probability": {"order": 1, "force_separate_z": False},
    }
}
"""All axes are interpolated alike. `nnunet-torch` uses no spline order of images and label maps."""

CLASSES = {
    "ExperimentPlanner": PlannerChoice("nnunet", "nnUNetPlans"),
    "nnUNetPlannerResEncM": PlannerChoice("nnunet-resenc-m", "nnUNetResEncUNetMPlans"),
    "nnUNetPlannerResEncL": PlannerChoice("nnunet-resenc-l", "nnUNetResEncUNetLPlans"),
    "nnUNetPlannerResEncXL": PlannerChoice("nnunet-resenc-xl", "nnUNetResEncUNetXLPlans"),
    "nnUNetPlanner_torchres": PlannerChoice("nnunet", "nnUNetPlans_torchres", "nnunet-torch", _TOGETHER),
    "nnUNetPlannerResEncL_torchres": PlannerChoice(
        "nnunet-resenc-l", "nnUNetResEncUNetLPlans_torchres", "nnunet-torch", _TOGETHER
    ),
    "nnUNetPlannerResEncL_torchres_sepz": PlannerChoice(
        "nnunet-resenc-l", "nnUNetResEncUNetLPlans_torchres_sepz", "nnunet-torch"
    ),
    "nnUNetPlannerResEncL_noResampling": PlannerChoice(
        "nnunet-resenc-l", "nnUNetResEncUNetLPlans_noResampling", "nnunet-none"
    ),
}
REFUSED = {
    "ResEncUNetPlanner": "nnU-Net 2.8.1 has two classes of this name; it recommends nnUNetPlannerResEncM, L and XL"
}
"""Class of nnU-Net 2.8.1 -> why it has no component."""
DEFAULT = "ExperimentPlanner"


def find_planner(name: str, plugged: Sequence[str]) -> PlannerChoice:
    """Return the planner that `-pl` names: a class of nnU-Net, or a planner of a plugin.

    Raises:
        UnknownComponent: it is neither, or a class of nnU-Net that nnplug refuses; the message lists the planners.
    """
    if name in CLASSES:
        return CLASSES[name]
    if name in plugged:
        return PlannerChoice(name, f"{name}Plans")
    if name in REFUSED:
        raise UnknownComponent(f"planner {name!r}: {REFUSED[name]}. Give one of those with -pl.")
    raise UnknownComponent(
        f"no planner is called {name!r}. There are {', '.join(CLASSES)}, and by plugins: {', '.join(plugged)}. "
        "A planner of your own is a plugin: nnplug plugins new NAME"
    )
