"""Images in memory, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer[Any]]
Number = TypeVar("Number", int, float)

_TOWARDS = (("R", "L"), ("A", "P"), ("I", "S"))
"""The sides that an axis can point to, for negative and positive direction cosines in ITK's axes."""


@dataclass(frozen=True)
class Geometry:
    """The geometry of an image.

    Attributes:
        shape: (z, y, x) in voxels; z is 1 for 2D images.
        spacing: (z, y, x) in mm, as nnU-Net's readers give it.
        file_spacing: (x, y) or (x, y, z) in mm, as in the file.
        origin: the centre of the first voxel, (x, y[, z]) in mm.
        direction: direction cosines of the axes, row by row.
        moved: where the only axis of one voxel is in the file and where it is here, in (z, y, x), if it was moved.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    file_spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    moved: tuple[int, int] | None = None


@dataclass(frozen=True)
class Image:
    """The channels of a case: (C, z, y, x) float32, in the units of the file."""

    array: npt.NDArray[np.float32]
    geometry: Geometry


def turned(image: Image, to: int) -> Image:
    """Return an image of a single slice with the slice's axis at place `to` of (z, y, x); other images as they are."""
    shape = image.geometry.shape
    thin = [axis for axis, size in enumerate(shape) if size == 1]
    if len(thin) != 1 or thin[0] == to:
        return image
    axis = thin[0]
    geometry = replace(
        image.geometry,
        shape=_moved(shape, axis, to),
        spacing=_moved(image.geometry.spacing, axis, to),
        moved=(axis, to),
    )
    return Image(np.moveaxis(image.array, 1 + axis, 1 + to), geometry)


def as_in_file(labels: Labels, geometry: Geometry) -> Labels:
    """Return a label map (z, y, x) with the axes of the image file."""
    return labels if geometry.moved is None else np.moveaxis(labels, geometry.moved[1], geometry.moved[0])


def orientation(geometry: Geometry) -> str | None:
    """Return the sides that the axes x, y, z of a volume point to, such as "RAS"; None for 2D images."""
    if len(geometry.file_spacing) != 3:
        return None
    cosines = np.reshape(geometry.direction, (3, 3))
    left, words = np.abs(cosines), ["", "", ""]
    for _ in range(3):
        row, column = np.unravel_index(int(np.argmax(left)), left.shape)
        words[column] = _TOWARDS[row][int(cosines[row, column] > 0)]
        left[row, :], left[:, column] = -1, -1
    return "".join(words)


def _moved(values: tuple[Number, Number, Number], axis: int, to: int) -> tuple[Number, Number, Number]:
    left = list(values)
    left.insert(to, left.pop(axis))
    return left[0], left[1], left[2]


def three(values: Sequence[Number]) -> tuple[Number, Number, Number]:
    """Return three numbers as a tuple of three."""
    z, y, x = values
    return z, y, x
