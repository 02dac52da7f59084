"""Target spacing, axis order and median shape, derived from spacings and shapes alone as in nnU-Net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from nnplug.plans.fingerprint import Fingerprint

Floats = npt.NDArray[np.float64]

ANISOTROPY = 3
"""The factor of anisotropy: a coarse axis has a spacing this much larger than the others, and this much fewer voxels.
"""


@dataclass(frozen=True)
class Space:
    """The grid that full-resolution configurations share; axes are transposed.

    Attributes:
        transpose_forward: the order that the image's (z, y, x) axes are brought into.
        spacing: target spacing (3,) in mm.
        median_shape: median over the cases of the shape (3,) at that spacing, in voxels.
        original_median_spacing: (3,) in mm, before resampling.
        original_median_shape: (3,) in voxels, before resampling.
    """

    transpose_forward: tuple[int, int, int]
    spacing: Floats
    median_shape: Floats
    original_median_spacing: Floats
    original_median_shape: Floats

    @classmethod
    def of(cls, fingerprint: Fingerprint, *, spacing: tuple[float, float, float], transpose: bool = True) -> Self:
        """Derive the grid from the fingerprint.

        Args:
            fingerprint: spacings and shapes of the cases.
            spacing: the target spacing (z, y, x) in mm.
            transpose: whether the axis of the largest spacing comes first.
        """
        spacings = np.array(fingerprint.spacings, dtype=np.float64)
        shapes = np.array(fingerprint.shapes_after_crop, dtype=np.float64)
        target = np.array(spacing, dtype=np.float64)
        coarsest = int(np.argmax(target)) if transpose else 0
        a, b, c = (coarsest, *(axis for axis in range(3) if axis != coarsest))
        order = [a, b, c]
        return cls(
            transpose_forward=(a, b, c),
            spacing=target[order],
            median_shape=np.median(np.rint(spacings / target * shapes), axis=0)[order],
            original_median_spacing=np.median(spacings, axis=0)[order],
            original_median_shape=np.median(shapes, axis=0)[order],
        )

    @property
    def transpose_backward(self) -> tuple[int, int, int]:
        """The inverse of `transpose_forward`."""
        a, b, c = (self.transpose_forward.index(axis) for axis in range(3))
        return a, b, c


def target_spacing(fingerprint: Fingerprint) -> tuple[float, float, float]:
    """Return the target spacing (z, y, x) in mm of resampling.

    It is the median per axis. If one axis is much coarser and shorter than the others, it is the 10th percentile along
    this axis, so that the finer cases keep their slices, but not finer than the other axes.
    """
    spacings = np.array(fingerprint.spacings, dtype=np.float64)
    shapes = np.array(fingerprint.shapes_after_crop, dtype=np.float64)
    target: Floats = np.percentile(spacings, 50, axis=0)
    shape = np.percentile(shapes, 50, axis=0)
    coarsest = int(np.argmax(target))
    others = [axis for axis in range(3) if axis != coarsest]
    finest_allowed = target[others].max()
    if target[coarsest] > ANISOTROPY * finest_allowed and shape[coarsest] * ANISOTROPY < shape[others].min():
        tenth = np.percentile(spacings[:, coarsest], 10)
        target[coarsest] = tenth if tenth >= finest_allowed else finest_allowed + 1e-5
    z, y, x = target.tolist()
    return z, y, x
