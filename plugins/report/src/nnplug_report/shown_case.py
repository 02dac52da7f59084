"""Read the images and label maps of a case, and make them small enough for a page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.io.geometry import Geometry
from nnplug.io.images import read_image, read_label
from nnplug.io.placement import check_same_grid
from nnplug.io.readers import Readers, core_readers
from nnplug.pictures.drawing import draw_slice, shown_slice
from nnplug_report.nifti import Scale, nifti_bytes
from nnplug_report.png import png_bytes
from nnplug_report.shrinking import reduction

VOXELS = 1_200_000
"""The most voxels of all channels of a case."""
_PERCENTILES = (0.5, 99.5)
_OPACITY = 0.5
_LEAST_SHRINKING = 0.7
PREDICTION, REFERENCE, DIFFERENCES = "prediction", "reference", "differences"
"""The titles of the layers of a prediction."""
MISSED, EXTRA, CONFUSED = 1, 2, 3
"""The values of the map of differences: only in the reference, only in the prediction, another label."""


@dataclass(frozen=True)
class ShownFiles:
    """The files to show.

    Attributes:
        name: the name of the case.
        images: one file per channel, or one with all channels; empty to show label maps alone.
        layers: title -> label map on the grid of the image.
        readers: the readers of the files.
        channels: the names of the channels; missing ones are numbered.
    """

    name: str
    images: tuple[Path, ...]
    layers: Mapping[str, Path]
    readers: Readers = field(default_factory=core_readers)
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Volume:
    """A volume for the viewer.

    Attributes:
        title: the name of the channel or layer.
        data: the gzipped NIfTI file in base64.
        low: the value that is black; 0 for label maps.
        high: the value that is white; the highest label value for label maps.
    """

    title: str
    data: str
    low: float
    high: float


@dataclass(frozen=True)
class Preview:
    """A picture of one slice, for paper and for browsers without WebGL.

    Attributes:
        title: "image", or the name of the layer.
        data: the PNG in base64.
        width: the width in units of the finer axis.
        height: the height in the same unit.
    """

    title: str
    data: str
    width: int
    height: int


@dataclass(frozen=True)
class ShownCase:
    """A case that is small enough for a page.

    Attributes:
        name: the name of the case.
        channels: the channels of the image.
        layers: the label maps.
        is_flat: whether it is a single slice.
        remark: a sentence on what is left out; empty if everything is shown.
        previews: pictures of the slice with the most foreground.
    """

    name: str
    channels: tuple[Volume, ...]
    layers: tuple[Volume, ...]
    is_flat: bool
    remark: str
    previews: tuple[Preview, ...]

    @property
    def size(self) -> int:
        """The number of bytes that the case takes in a page."""
        volumes = sum(len(volume.data) for volume in (*self.channels, *self.layers))
        return volumes + sum(len(preview.data) for preview in self.previews)


@dataclass(frozen=True)
class _Read:
    """The arrays of a case: image (C, z, y, x), and label maps (z, y, x) by title."""

    files: ShownFiles
    image: npt.NDArray[np.float32]
    layers: Mapping[str, LabelArray]
    geometry: Geometry

    @property
    def foreground(self) -> npt.NDArray[np.bool_]:
        """The voxels to crop around: labels, or else all that is not the value of the first voxel."""
        if self.layers:
            return labelled(self.layers)
        return np.asarray((self.image != self.image[:, :1, :1, :1]).any(axis=0))


def labelled(labels: Mapping[str, LabelArray]) -> npt.NDArray[np.bool_]:
    """Return the voxels (z, y, x) that have a label in one of at least one label maps."""
    inside: npt.NDArray[np.bool_] = np.logical_or.reduce([label > 0 for label in labels.values()])
    return inside


def show_case(files: ShownFiles, *, voxels: int = VOXELS, most_bytes: int | None = None) -> ShownCase:
    """Return a case for a page.

    Args:
        files: the files of the case.
        voxels: the most voxels of all channels.
        most_bytes: the bytes that the case may take in a page; it is shrunk until it fits. None for no limit.

    Raises:
        InvalidFile: a file cannot be read, or a label map lies on another grid than the image.
    """
    read = _read(files)
    shown = _shown(read, voxels)
    while most_bytes is not None and shown.size > most_bytes and voxels > 1:
        voxels = int(voxels * min(most_bytes / shown.size, _LEAST_SHRINKING))
        shown = _shown(read, voxels)
    return shown


def _read(files: ShownFiles) -> _Read:
    labels = {title: read_label(path, files.readers) for title, path in files.layers.items()}
    if files.images:
        image = read_image(files.images, files.readers)
        array, geometry, where = image.array, image.geometry, files.images[0]
    else:
        first = next(iter(labels.values()))
        array, geometry, where = (
            np.zeros((1, *first.array.shape), np.float32),
            first.geometry,
            files.layers[next(iter(labels))],
        )
    for title, label in labels.items():
        check_same_grid(files.layers[title], label.geometry, where, geometry)
    channels = array[:-1] if geometry.has_alpha else array
    return _Read(files, channels, {title: label.array for title, label in labels.items()}, geometry)


def _shown(read: _Read, voxels: int) -> ShownCase:
    shape, spacing = read.geometry.shape, read.geometry.spacing
    kept = reduction(shape, spacing, read.foreground, voxels=max(1, voxels // len(read.image)))
    affine = kept.affine(read.geometry)
    images = [kept.image(channel) for channel in read.image]
    labels = {title: kept.label(label) for title, label in read.layers.items()}
    known = read.files.channels
    names = known if len(known) == len(images) else [f"channel {number}" for number in range(len(images))]
    return ShownCase(
        name=read.files.name,
        channels=tuple(_channel(name, image, affine) for name, image in zip(names, images, strict=True)),
        layers=tuple(_layer(title, label, affine) for title, label in _with_differences(labels).items()),
        is_flat=images[0].shape[0] == 1,
        remark=kept.words,
        previews=_previews(images[0], labels, affine),
    )


def _channel(name: str, image: npt.NDArray[np.float32], affine: npt.NDArray[np.float64]) -> Volume:
    finite = image[np.isfinite(image) & (image != image.flat[0])]
    low, high = map(float, np.percentile(finite if finite.size else np.zeros(1), _PERCENTILES))
    low, high = (low, high) if high > low else (low, low + 1)
    stored = np.round(255 * (np.clip(np.nan_to_num(image), low, high) - low) / (high - low)).astype(np.uint8)
    data = nifti_bytes(stored, affine, scale=Scale((high - low) / 255, low))
    return Volume(name, _text(data), low, high)


def _layer(title: str, label: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> Volume:
    stored = np.minimum(label, np.iinfo(np.uint8).max).astype(np.uint8)
    return Volume(title, _text(nifti_bytes(stored, affine, labels=True)), 0, float(stored.max(initial=0)))


def _with_differences(labels: Mapping[str, LabelArray]) -> dict[str, npt.NDArray[Any]]:
    """Return the layers, and if there are a prediction and a reference, the map of their differences."""
    layers: dict[str, npt.NDArray[Any]] = dict(labels)
    if PREDICTION in labels and REFERENCE in labels:
        layers[DIFFERENCES] = differences(labels[PREDICTION], labels[REFERENCE])
    return layers


def differences(prediction: LabelArray, reference: LabelArray) -> npt.NDArray[np.uint8]:
    """Return where two label maps (z, y, x) differ: `MISSED`, `EXTRA`, `CONFUSED`, and 0 where they agree."""
    differ = np.zeros(reference.shape, np.uint8)
    other = prediction != reference
    differ[other & (prediction == 0)] = MISSED
    differ[other & (reference == 0)] = EXTRA
    differ[other & (prediction > 0) & (reference > 0)] = CONFUSED
    return differ


def _previews(
    image: npt.NDArray[np.float32],
    labels: Mapping[str, LabelArray],
    affine: npt.NDArray[np.float64],
) -> tuple[Preview, ...]:
    foreground = labelled(labels) if labels else np.ones(image.shape, np.bool_)
    index = shown_slice(foreground.astype(np.uint8))
    turn = tuple(slice(None, None, -1) if _points_back(affine, axis) else slice(None) for axis in (1, 0))
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    height, width = (
        size * spacing[axis] / spacing[:2].min() for size, axis in zip(image.shape[1:], (1, 0), strict=True)
    )
    made = []
    for title, label in {"image": None, **labels}.items():
        plane = None if label is None else label[index][turn]
        picture = draw_slice(image[index][turn], plane, percentiles=_PERCENTILES, opacity=_OPACITY)
        made.append(Preview(title, _text(png_bytes(picture)), round(width), round(height)))
    return tuple(made)


def _points_back(affine: npt.NDArray[np.float64], axis: int) -> bool:
    """Return whether an axis points to the right, to the front or up; pictures show the other sense."""
    column = affine[:3, axis]
    return bool(column[np.argmax(np.abs(column))] > 0)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
