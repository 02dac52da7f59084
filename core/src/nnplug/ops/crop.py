"""The nonzero region of an image. Preprocessing crops every case to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def nonzero_mask(image: npt.NDArray[Any]) -> Mask:
    """Return the mask of voxels where any channel is not 0, with enclosed holes filled in 3D.

    Args:
        image: (C, z, y, x), any dtype.

    Returns:
        (z, y, x) bool. In an image of one slice no hole is filled, since nothing is enclosed in 3D.
    """
    mask: Mask = image[0] != 0
    for channel in image[1:]:
        mask |= channel != 0
    inside = mask[slices(bounding_box(mask))]
    inside |= _holes(inside)
    return mask


def bounding_box(mask: Mask) -> Box:
    """Return start and stop per axis of the smallest box around the true voxels of a (z, y, x) mask.

    If no voxel is true, the box is the whole array.
    """
    a, b, c = (_extent(np.any(mask, axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    return a, b, c


def slices(box: Box) -> tuple[slice, slice, slice]:
    """Return the box as an index of a (z, y, x) array."""
    a, b, c = (slice(start, stop) for start, stop in box)
    return a, b, c


def _extent(occupied: Mask) -> tuple[int, int]:
    where = np.flatnonzero(occupied)
    return (int(where[0]), int(where[-1]) + 1) if where.size else (0, len(occupied))


def _holes(mask: Mask) -> Mask:
    """Return the background that is not connected, through faces of voxels, to the border of the array."""
    parts, count = ndimage.label(~mask)
    hole = np.ones(count + 1, np.bool_)
    hole[0] = False
    for axis in range(3):
        for border in (0, -1):
            hole[parts.take(border, axis)] = False
    holes: Mask = hole[parts]
    return holes
