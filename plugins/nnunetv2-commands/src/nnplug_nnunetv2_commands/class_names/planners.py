"""nnU-Net's planner classes, and the names of their plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnplug.errors import UnknownComponent


@dataclass(frozen=True)
class PlannerChoice:
    """A planner component, and the name of its plans.

    Attributes:
        component: its name in nnplug.
        plans: name of its plans unless the user gives one.
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
    """Return the planner that `-pl` names: a class of nnU-Net, or a planner of a plugin.

    Raises:
        UnknownComponent: it is neither; the message lists the planners.
    """
    if name in CLASSES:
        return CLASSES[name]
    if name in plugged:
        return PlannerChoice(name, f"{name}Plans")
    raise UnknownComponent(
        f"no planner is called {name!r}. There are {', '.join(CLASSES)}, and by plugins: {', '.join(plugged)}. "
        "A planner of your own is a plugin: nnplug plugins new NAME"
    )
