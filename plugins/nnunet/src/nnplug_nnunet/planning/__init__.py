"""nnU-Net's planners: one planning function with four budgets. Arithmetic only; no network is built."""

from nnplug_nnunet.planning.planner import NnunetPlanner, ResEncL, ResEncM, ResEncXL

__all__ = ["NnunetPlanner", "ResEncL", "ResEncM", "ResEncXL"]
