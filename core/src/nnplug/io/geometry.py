"""Images and label maps in memory, with their geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

SPACING_TOLERANCE = 1e-4
NIFTI_PLACEMENT = "nifti_placement"
"""The key in `Geometry.extra` of the placement in the header of a NIfTI file that ITK does not read."""

ALPHA = "has_alpha"
"""The key in `Geometry.extra` of an image whose last channel is transparency."""


@dataclass(frozen=True)
class Geometry:
    """The geometry of an image: shape, spacing, origin and direction.

    Attributes:
        shape: (z, y, x) in voxels; z is 1 for 2D images.
        spacing: (z, y, x) in mm, for planning. For 2D files z is 999 times the larger of the other two. png, bmp and
            2D tif have (999, 1, 1). 3D tif has the `spacing` of CASE.json in its folder, or else (1, 1, 1).
        file_spacing: (x, y) or (x, y, z) in mm, as in the file; its length is the number of spatial axes.
        origin: the centre of the first voxel, (x, y[, z]) in mm.
        direction: direction cosines of the axes, row by row.
        extra: values that the reader of the image needs besides, to write a label map in the same place, such as an
            affine matrix; empty if another reader made the geometry.
        moved: where the only axis of one voxel is in the file and where it is here, in (z, y, x), if it was moved; see
            `nnplug.io.thin_axis`. Label maps are written with the axes of the file.
        remarks: facts of the file that a user should know, such as axes that are not at right angles.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    file_spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    moved: tuple[int, int] | None = None
    remarks: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def has_alpha(self) -> bool:
        """Return whether the last channel of the image is transparency."""
        return bool(self.extra.get(ALPHA))

    @property
    def dimensions(self) -> int:
        """The number of spatial axes of the file: 2 or 3."""
        return len(self.file_spacing)


@dataclass(frozen=True)
class Image:
    """The channels of a case: (C, z, y, x) float32, in the units of the file."""

    array: npt.NDArray[np.float32]
    geometry: Geometry


@dataclass(frozen=True)
class LabelMap:
    """A label map: (z, y, x) int16."""

    array: npt.NDArray[np.int16]
    geometry: Geometry


def planar_spacing(y: float, x: float) -> tuple[float, float, float]:
    """Return the spacing (z, y, x) in mm of a 2D image; z is 999 times the larger of the others, as in nnU-Net 2.8.1.

    Pictures, which have no spacing, have `planar_spacing(1, 1)`.
    """
    return 999.0 * max(y, x), float(y), float(x)


def same_spacing(a: Geometry, b: Geometry) -> bool:
    """Return whether two spacings are equal up to rounding (relative tolerance 1e-4)."""
    return bool(np.allclose(a.spacing, b.spacing, rtol=SPACING_TOLERANCE, atol=0))
