"""The numbers of nnU-Net's losses."""

from __future__ import annotations

from dataclasses import dataclass

SMOOTH = 1e-5
TOP_FRACTION = 0.1


@dataclass(frozen=True)
class Details:
    """The numbers of a loss.

    Attributes:
        smooth: constant that Dice adds to numerator and denominator.
        top_fraction: share of the voxels that count in "topk".
        label_smoothing: share of each voxel's label that is spread evenly over all classes in the cross-entropy.
    """

    smooth: float = SMOOTH
    top_fraction: float = TOP_FRACTION
    label_smoothing: float = 0.0


DEFAULTS = Details()
