"""nnU-Net's planners: one planning function with four budgets. Planning is arithmetic; it builds no network."""

from nnplug_nnunet.planning.planner import NnunetPlanner, ResEncL, ResEncM, ResEncXL

__all__ = ["NnunetPlanner", "ResEncL", "ResEncM", "ResEncXL"]
