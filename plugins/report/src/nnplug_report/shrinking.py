"""Crop and shrink volumes until they fit into a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.io.geometry import Geometry

Box = tuple[slice, slice, slice]
Factors = tuple[int, int, int]

_MARGIN = 0.5
"""The margin around the foreground, as a share of its size along the axis."""
_LEAST_MARGIN = 8
"""The margin in voxels, if the share is less."""
_MOST_VOXELS_OF_AXIS = 2048
"""Longer axes exceed the textures of many graphics cards."""


@dataclass(frozen=True)
class Reduction:
    """The part of an image that is shown, and how many voxels become one.

    Attributes:
        box: the part of the axes (z, y, x), in voxels of the image.
        factors: the number of voxels along each axis (z, y, x) that become one.
        whole: the shape (z, y, x) of the image.
    """

    box: Box
    factors: Factors
    whole: tuple[int, int, int]

    @property
    def words(self) -> str:
        """A sentence on what is left out; empty if the whole image is shown."""
        told = []
        if any(part.stop - part.start < size for part, size in zip(self.box, self.whole, strict=True)):
            told.append("the part around the labels")
        if max(self.factors) > 1:
            blocks = " x ".join(str(factor) for factor in self.factors[::-1])
            told.append(f"blocks of {blocks} voxels (x, y, z) as one")
        return f"Shown: {', '.join(told)}." if told else ""

    def image(self, array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the shown part of a channel (z, y, x); each block becomes its mean."""
        part: npt.NDArray[Any] = array[self.box]
        for axis, factor in enumerate(self.factors):
            starts = np.arange(0, part.shape[axis], factor)
            counts = np.diff([*starts, part.shape[axis]]).astype(np.float32)
            shape = [-1 if own == axis else 1 for own in range(3)]
            part = np.add.reduceat(part, starts, axis=axis) / counts.reshape(shape) if factor > 1 else part
        return part.astype(np.float32, copy=False)

    def label(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the shown part of a label map (z, y, x); each block becomes the label at its centre."""
        part = array[self.box]
        for axis, factor in enumerate(self.factors):
            starts = np.arange(0, part.shape[axis], factor)
            part = part.take(np.minimum(starts + factor // 2, part.shape[axis] - 1), axis=axis)
        return part

    def affine(self, geometry: Geometry) -> npt.NDArray[np.float64]:
        """Return the matrix (4, 4) from shown voxels (x, y, z) to mm (R, A, S)."""
        affine = world_of(geometry)
        start = np.array([part.start for part in self.box][::-1], np.float64)
        factors = np.array(self.factors[::-1], np.float64)
        affine[:3, 3] += affine[:3, :3] @ (start + (factors - 1) / 2)
        affine[:3, :3] *= factors
        return affine


def world_of(geometry: Geometry) -> npt.NDArray[np.float64]:
    """Return the matrix (4, 4) from voxels (x, y, z) of an image to mm (R, A, S).

    Rows of a 2D image go down and columns to the right, as pictures are seen.
    """
    affine = np.eye(4)
    axes = geometry.dimensions
    affine[:axes, :axes] = np.array(geometry.direction).reshape(axes, axes) * np.array(geometry.file_spacing)
    affine[:axes, 3] = geometry.origin
    if axes == 2:
        affine = np.diag([*geometry.file_spacing, 1.0, 1.0])
    affine[:2] *= -1  # ITK counts to the left and to the back, NIfTI to the right and to the front
    return affine


def reduction(
    shape: tuple[int, int, int],
    spacing: Sequence[float],
    foreground: npt.NDArray[np.bool_] | None,
    *,
    voxels: int,
) -> Reduction:
    """Return the reduction of an image to at most `voxels`; without a need for it, everything is kept.

    Args:
        shape: (z, y, x).
        spacing: (z, y, x) in mm. The finest axis is shrunk first, so that thick slices remain.
        foreground: (z, y, x), the voxels to crop around; None to crop nothing.
        voxels: the greatest number of voxels.
    """
    box: Box = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    if math.prod(shape) > voxels and foreground is not None and foreground.any():
        box = _around(foreground)
    sizes = [part.stop - part.start for part in box]
    factors = [math.ceil(size / _MOST_VOXELS_OF_AXIS) for size in sizes]
    while math.prod(map(_divided, sizes, factors)) > voxels:
        steps = [
            spacing[axis] * factors[axis] if _divided(sizes[axis], factors[axis]) > 1 else math.inf for axis in range(3)
        ]
        factors[steps.index(min(steps))] += 1
    return Reduction(box, (factors[0], factors[1], factors[2]), shape)


def _divided(size: int, factor: int) -> int:
    return -(-size // factor)


def _around(foreground: npt.NDArray[np.bool_]) -> Box:
    parts = []
    for axis, size in enumerate(foreground.shape):
        others = tuple(other for other in range(3) if other != axis)
        inside = np.flatnonzero(foreground.any(axis=others))
        first, last = int(inside[0]), int(inside[-1]) + 1
        margin = max(_LEAST_MARGIN, round(_MARGIN * (last - first)))
        parts.append(slice(max(first - margin, 0), min(last + margin, size)))
    return parts[0], parts[1], parts[2]
