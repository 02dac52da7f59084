"""Measure a label map: the volume of each class or region, and the intensities of the image in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nnplug.arrays import LabelArray
from nnplug.dataset.labels import Labels
from nnplug.io.geometry import Geometry, planar_spacing

Unit = Literal["mm3", "mm2", "pixels"]
"""The unit of sizes: of volumes, of 2D images with a spacing, and of pictures, which have none."""

_PICTURE = planar_spacing(1, 1)
"""The spacing of pictures."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Intensities:
    """The intensities of one channel in a class or region, in the units of the image.

    Attributes:
        mean: the mean.
        std: the standard deviation over the voxels, divided by their number.
        median: the median.
        minimum: the lowest value.
        maximum: the highest value.
    """

    mean: float
    std: float
    median: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class ClassStatistics:
    """The size of a class or region, and the intensities of each channel in it.

    Attributes:
        voxels: the number of voxels.
        size: the number of voxels times the size of one, in the unit of `voxel_size`.
        intensities: one entry per channel; empty for a class without voxels.
    """

    voxels: int
    size: float
    intensities: tuple[Intensities, ...]


def voxel_size(geometry: Geometry) -> tuple[Unit, float]:
    """Return the unit of sizes and the size of a voxel in it: mm3, or mm2 of a 2D image, or 1 of a picture."""
    if geometry.dimensions == 3:
        return "mm3", math.prod(geometry.spacing)
    if geometry.spacing == _PICTURE:
        return "pixels", 1.0
    return "mm2", math.prod(geometry.file_spacing)


def class_statistics(
    label_map: LabelArray, image: npt.NDArray[Any], labels: Labels, geometry: Geometry
) -> Mapping[str, ClassStatistics]:
    """Return name -> statistics of each foreground class or region, in the order of `labels`.

    Args:
        label_map: label values (z, y, x).
        image: intensities (C, z, y, x) on the same grid.
        labels: the classes or regions; a region has the voxels of all its values.
        geometry: the geometry of both.
    """
    boxes = ndimage.find_objects(label_map)
    _, size = voxel_size(geometry)
    found = {}
    for name, values in zip(labels.foreground_names, labels.foreground, strict=True):
        box = _around(boxes, values)
        inside = None if box is None else np.isin(label_map[box], values)
        voxels = 0 if inside is None else int(np.count_nonzero(inside))
        own = () if inside is None else tuple(_intensities(channel[box][inside]) for channel in image)
        found[name] = ClassStatistics(voxels, voxels * size, own)
    return found


def _around(boxes: Sequence[Box | None], values: Sequence[int]) -> Box | None:
    """Return the smallest box with all voxels of some label values, or None if there are no such voxels."""
    own = [box for value in values if 0 < value <= len(boxes) and (box := boxes[value - 1]) is not None]
    if not own:
        return None
    z, y, x = (slice(min(p.start for p in parts), max(p.stop for p in parts)) for parts in _axes(own))
    return z, y, x


def _axes(boxes: Sequence[Box]) -> Iterator[tuple[slice, ...]]:
    yield from zip(*boxes, strict=True)


def _intensities(values: npt.NDArray[Any]) -> Intensities:
    exact = values.astype(np.float64)
    return Intensities(
        mean=float(exact.mean()),
        std=float(exact.std()),
        median=float(np.median(exact)),
        minimum=float(exact.min()),
        maximum=float(exact.max()),
    )
