"""The low-resolution stage of a cascade."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from nnplug_nnunet.planning.fit import Fit, Fitter
from nnplug_nnunet.planning.space import Floats

ENOUGH = 0.25
"""The share of the image that the patch must cover; with this much a lower resolution is not needed."""

GROWTH = 1.03
"""The factor by which the spacing grows from one trial to the next."""

FEWER_VOXELS = 2
"""The least factor between the voxels of full and low resolution; below it a cascade is not worth its cost."""


@dataclass(frozen=True)
class LowResolution:
    """A coarser grid and the configuration that fits there.

    Attributes:
        spacing: (3,) in mm.
        median_shape: (3,) median shape of the images at that spacing, rounded, in voxels.
        fit: patch, network and batch size.
    """

    spacing: Floats
    median_shape: Floats
    fit: Fit


def low_resolution(
    fitter: Fitter, spacing: Floats, median_shape: Floats, full: Fit, training_cases: int
) -> LowResolution | None:
    """Grow the spacing until the patch covers enough of the image.

    Args:
        fitter: plans each trial.
        spacing: target spacing (3,) of the full resolution, mm.
        median_shape: median shape (3,) of the images at that spacing, voxels.
        full: the fit at full resolution.
        training_cases: number of images.

    Returns:
        The low resolution; None if the patch covers enough at full resolution, or if the gain would be small.
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
    """Grow the axes that are more than twice as fine as the coarsest; if there are none, grow all axes."""
    fine = spacing.max() / spacing > 2
    return np.where(fine if fine.any() else True, spacing * GROWTH, spacing)
