"""Turn single slices whose axis of one voxel is not the first, so that 2D networks see the slice and not its lines.

A picture that was saved as a sagittal or coronal slice has shape (z, y, 1) or (z, 1, x). Networks in 2D take the first
axis, after transposition, for that of the slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.io.geometry import Geometry, Image, LabelMap

Number = TypeVar("Number", int, float)


def thin_axis(shape: Sequence[int]) -> int | None:
    """Return the only axis of (z, y, x) with one voxel, or None if there is none or several."""
    thin = [axis for axis, size in enumerate(shape) if size == 1]
    return thin[0] if len(thin) == 1 else None


def turned_geometry(geometry: Geometry, to: int = 0) -> Geometry:
    """Return the geometry with its thin axis at place `to` of (z, y, x); label maps written with it are turned back."""
    axis = thin_axis(geometry.shape)
    if axis is None or axis == to or geometry.moved is not None:
        return geometry
    return replace(
        geometry,
        shape=_moved(geometry.shape, axis, to),
        spacing=_moved(geometry.spacing, axis, to),
        moved=(axis, to),
    )


def turned_image(image: Image, to: int = 0) -> Image:
    """Return the image with its thin axis at place `to` of (z, y, x), or unchanged if it is there or none is thin."""
    geometry = turned_geometry(image.geometry, to)
    if geometry.moved is None or geometry is image.geometry:
        return image
    axis, place = geometry.moved
    return Image(np.moveaxis(image.array, 1 + axis, 1 + place), geometry)


def turned_label(label: LabelMap) -> LabelMap:
    """Return the label map with its thin axis first, or unchanged if it is there or none is thin."""
    geometry = turned_geometry(label.geometry)
    if geometry.moved is None or geometry is label.geometry:
        return label
    return LabelMap(np.moveaxis(label.array, *geometry.moved), geometry)


def as_in_file(array: LabelArray, geometry: Geometry) -> tuple[LabelArray, Geometry]:
    """Return a label map (z, y, x) and its geometry with the axes of the image file."""
    if geometry.moved is None:
        return array, geometry
    axis, place = geometry.moved
    return np.moveaxis(array, place, axis), geometry_in_file(geometry)


def geometry_in_file(geometry: Geometry) -> Geometry:
    """Return the geometry with the axes of the image file."""
    if geometry.moved is None:
        return geometry
    axis, place = geometry.moved
    shape, spacing = (_moved(geometry.shape, place, axis), _moved(geometry.spacing, place, axis))
    return replace(geometry, shape=shape, spacing=spacing, moved=None)


def _moved(values: tuple[Number, Number, Number], axis: int, to: int) -> tuple[Number, Number, Number]:
    left = list(values)
    left.insert(to, left.pop(axis))
    return left[0], left[1], left[2]
