"""nnU-Net's planner classes, and what their plans are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnplug.errors import UnknownComponent


@dataclass(frozen=True)
class PlannerChoice:
    """A planner component, and the name that its plans get.

    Attributes:
        component: its name in nnplug.
        plans: what its plans are called unless the user says otherwise.
    """

    component: str
    plans: str


CLASSES = {
    "ExperimentPlanner": PlannerChoice("nnunet", "nnUNetPlans"),
    "nnUNetPlannerResEncM": PlannerChoice("nnunet-resenc-m", "nnUNetResEncUNetMPlans"),
    "nnUNetPlannerResEncL": PlannerChoice("nnunet-resenc-l", "nnUNetResEncUNetLPlans"),
    "nnUNetPlannerResEncXL": PlannerChoice("nnunet-resenc-xl", "nnUNetResEncUNetXLPlans"),
}
DEFAULT = "ExperimentPlanner"


def find_planner(name: str, plugged: Sequence[str]) -> PlannerChoice:
    """The planner that `-pl` names: a class of nnU-Net, or a planner that a plugin offers.

    Raises:
        UnknownComponent: it is neither; the message lists what there is.
    """
    if name in CLASSES:
        return CLASSES[name]
    if name in plugged:
        return PlannerChoice(name, f"{name}Plans")
    raise UnknownComponent(
        f"no planner is called {name!r}. There are {', '.join(CLASSES)}, and by plugins: {', '.join(plugged)}. "
        "A planner of your own is a plugin: nnplug plugins new NAME"
    )
