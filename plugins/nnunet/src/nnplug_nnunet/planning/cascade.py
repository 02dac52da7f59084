"""The low resolution of a cascade."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from nnplug_nnunet.planning.fit import Fit, Fitter
from nnplug_nnunet.planning.space import Floats

ENOUGH = 0.25
"""A patch that sees this part of the image needs no lower resolution."""

GROWTH = 1.03
"""The spacing grows by this factor from try to try."""

FEWER_VOXELS = 2
"""A low resolution whose images have not so many times fewer voxels is not worth a cascade."""


@dataclass(frozen=True)
class LowResolution:
    """A coarser grid and what fits there.

    Attributes:
        spacing: per axis, mm.
        median_shape: of the images at that spacing, rounded, voxels.
        fit: patch, network and batch size.
    """

    spacing: Floats
    median_shape: Floats
    fit: Fit


def low_resolution(
    fitter: Fitter, spacing: Floats, median_shape: Floats, full: Fit, training_cases: int
) -> LowResolution | None:
    """Grow the spacing until the patch sees enough of the image.

    Args:
        fitter: plans each try.
        spacing: target spacing (3,) of the full resolution, mm.
        median_shape: of the images at that spacing (3,), voxels.
        full: what fits at full resolution.
        training_cases: how many images there are.

    Returns:
        None where the full resolution's patch sees enough, or where little would be gained.
    """
    low: LowResolution | None = None
    patch, coarse, voxels = full.patch_size, spacing, np.prod(median_shape)
    while prod(patch) / voxels < ENOUGH:
        coarse = _coarser(coarse)
        shape = spacing / coarse * median_shape
        voxels = np.prod(shape)
        rounded = np.rint(shape)
        low = LowResolution(
            coarse, rounded, fitter.fit(coarse.tolist(), rounded.tolist(), float(voxels * training_cases))
        )
        patch = low.fit.patch_size
    return low if np.prod(median_shape) / voxels >= FEWER_VOXELS else None


def _coarser(spacing: Floats) -> Floats:
    """Grow the axes that are more than twice as fine as the coarsest, or all of them if none is."""
    fine = spacing.max() / spacing > 2
    return np.where(fine if fine.any() else True, spacing * GROWTH, spacing)
