"""Look at an image and its label map along the axes of the body, as pictures of radiology show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.io.geometry import Geometry, LabelMap
from nnplug.io.placement import orientation
from nnplug.pictures.drawing import shown_slice

_AXES = "IPL"
"""The order of the turned axes: from head to feet, from front to back, from right to left."""
_OPPOSITE = dict(zip("IPLSAR", "SARIPL", strict=True))
_NAMES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True)
class View:
    """One slice of an image with its label map.

    Attributes:
        name: "axial", "coronal" or "sagittal", the nearest to the slice; "slice" for 2D images.
        number: the number of the slice in the file, from 1.
        count: the number of slices along this axis.
        plane: intensities (rows, columns).
        label: label values (rows, columns).
        spacing: the distance of rows and of columns in mm; (1, 1) for pictures.
    """

    name: str
    number: int
    count: int
    plane: npt.NDArray[Any]
    label: LabelArray
    spacing: tuple[float, float]


def views_of(channel: npt.NDArray[Any], label_map: LabelMap) -> tuple[View, ...]:
    """Return the slices with the largest labelled area, one along each axis; the middle ones without any label.

    Patients are seen from their feet, from the front and from their left, with head and front up. Slices across an axis
    of one voxel are left out. A 2D image is shown as it is stored.

    Args:
        channel: the intensities (z, y, x) of one channel.
        label_map: the label map on the same grid.
    """
    geometry = label_map.geometry
    if geometry.dimensions == 2:
        y, x = geometry.file_spacing[::-1]
        return (View("slice", 1, 1, channel[0], label_map.array[0], (y, x)),)
    return tuple(_views(channel, label_map))


def _views(channel: npt.NDArray[Any], label_map: LabelMap) -> Iterator[View]:
    order, flipped = _turn(label_map.geometry)
    image, labels = np.flip(channel.transpose(order), flipped), np.flip(label_map.array.transpose(order), flipped)
    spacing = [label_map.geometry.spacing[axis] for axis in order]
    thin = [axis for axis in range(3) if labels.shape[axis] == 1]
    for axis, name in enumerate(_NAMES):
        rows, columns = (other for other in range(3) if other != axis)
        if thin and axis != thin[0]:
            continue
        stack = np.moveaxis(labels, axis, 0)
        index = shown_slice(stack) if stack.any() else len(stack) // 2
        number = len(stack) - index if axis in flipped else index + 1
        plane = np.moveaxis(image, axis, 0)[index]
        yield View(name, number, len(stack), plane, stack[index], (spacing[rows], spacing[columns]))


def _turn(geometry: Geometry) -> tuple[list[int], tuple[int, ...]]:
    """Return the axis (z, y, x) of the file that is nearest to each of `_AXES`, and the turned axes to reverse."""
    sides = (orientation(geometry) or "LPS")[::-1]
    order = [next(axis for axis, side in enumerate(sides) if side in (wanted, _OPPOSITE[wanted])) for wanted in _AXES]
    return order, tuple(place for place, axis in enumerate(order) if sides[axis] != _AXES[place])
