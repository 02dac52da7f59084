"""Read image and label files with their geometry, and write label maps on the exact grid of their image.

Every function takes the readers to choose from; without them it takes those of the core. What a reader returns is
checked here, and its errors are attributed to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.errors import ComponentFailed, InvalidFile, within
from nnplug.io.geometry import Geometry, Image, LabelMap, same_spacing
from nnplug.io.placement import check_order, displacements
from nnplug.io.reader import Reader
from nnplug.io.readers import Readers, readers_or_core
from nnplug.io.thin_axis import as_in_file
from nnplug.registry.attribution import attributed, broken, expect
from nnplug.remedies import Action

__all__ = [
    "Geometry",
    "Image",
    "LabelMap",
    "read_geometry",
    "read_image",
    "read_label",
    "read_voxels",
    "same_spacing",
    "write_image",
    "write_label",
    "write_sidecars",
]

_NUMBERS = "biuf"
"""The kinds of numpy dtypes that voxels may have."""


def read_image(paths: Sequence[Path], readers: Readers | None = None) -> Image:
    """Return the image of a case, read from one file per channel or from files with several channels.

    Files with several channels are 4D, or have vector or RGB pixels; alpha is a channel too.

    Raises:
        InvalidFile: a file is missing, truncated or not an image, or two files differ in shape, spacing or in the
            order of their voxels. Displacements are remarks of the geometry.
        AmbiguousComponent, ComponentFailed, InvalidPlugin: as in `read_voxels`.
    """
    channels = [read_voxels(path, readers) for path in paths]
    for (first, second), (a, b) in zip(pairwise(paths), pairwise(g for _, g in channels), strict=True):
        check_order(second, b, first, a)
        if a.shape != b.shape:
            raise InvalidFile(f"{first} has shape {a.shape}, {second} has {b.shape} (z, y, x).", Action.VERIFY())
        if not same_spacing(a, b):
            raise InvalidFile(
                f"{first} has spacing {a.spacing}, {second} has {b.spacing} mm (z, y, x).", Action.VERIFY()
            )
    array = np.concatenate([array for array, _ in channels], dtype=np.float32, casting="unsafe")
    return Image(array, _with_remarks(list(zip(paths, (g for _, g in channels), strict=True))))


def _with_remarks(files: Sequence[tuple[Path, Geometry]]) -> Geometry:
    """Return the geometry of the first file, with the remarks on every file and on those that lie elsewhere."""
    first, geometry = files[0]
    remarks = [f"{path}: {remark}" for path, own in files for remark in own.remarks]
    remarks += [line for path, own in files[1:] for line in displacements(path, own, first, geometry)]
    return replace(geometry, remarks=tuple(remarks)) if remarks else geometry


def read_label(path: Path, readers: Readers | None = None) -> LabelMap:
    """Return the label map in a file.

    Raises:
        InvalidFile: as in `read_image`; the file has several channels; or a value is not an integer that int16 holds.
        AmbiguousComponent, ComponentFailed, InvalidPlugin: as in `read_voxels`.
    """
    array, geometry = _one_channel(path, *_read_label(path, readers_or_core(readers)))
    with np.errstate(invalid="ignore"):
        labels = array[0].astype(np.int16)
    if not np.array_equal(labels, array[0]):
        value = array[0][labels != array[0]].flat[0]
        raise InvalidFile(
            f"{path}: holds {_shown(value)}, which is no label value. Save whole numbers from 0 to 32767."
        )
    return LabelMap(labels, _with_remarks([(path, geometry)]))


def _shown(value: Any) -> str:
    """Return a number with as many digits as it has, without the point of a whole number."""
    short = f"{value:g}"
    return short if float(short) == value else str(value)


def read_voxels(path: Path, readers: Readers | None = None) -> tuple[npt.NDArray[Any], Geometry]:
    """Return the channels (C, z, y, x) of one file, in the dtype of the file, and their geometry.

    Raises:
        InvalidFile: the file is missing, truncated or not an image, or no reader reads it.
        AmbiguousComponent: several readers read such files, and none is named.
        ComponentFailed: the reader failed; the message names it and the file.
        InvalidPlugin: the reader returned something else than its contract promises.
    """
    reader = readers_or_core(readers).get(path)
    with _reading(reader, path):
        given = expect(reader, reader.read(path), tuple)
    return _checked_voxels(reader, path, given)


def _read_label(path: Path, readers: Readers) -> tuple[npt.NDArray[Any], Geometry]:
    reader = readers.label_reader(path)
    if reader is None:
        return read_voxels(path, readers)
    with _reading(reader, path):
        given = expect(reader, reader.read_label(path), tuple)
    return _checked_voxels(reader, path, given)


def _one_channel(path: Path, array: npt.NDArray[Any], geometry: Geometry) -> tuple[npt.NDArray[Any], Geometry]:
    """Return a label map as one channel; colours that are equal, without transparency, are one."""
    if len(array) == 1:
        return array, geometry
    colours = array[:-1] if geometry.has_alpha else array
    opaque = not geometry.has_alpha or bool((array[-1] == array[-1].flat[0]).all())
    if _is_2d(geometry) and opaque and all(np.array_equal(colours[0], other) for other in colours[1:]):
        remark = f"has {len(array)} channels, whose values are equal; the first is read as label map"
        return colours[:1], replace(geometry, remarks=(*geometry.remarks, remark))
    raise InvalidFile(f"{path}: has {len(array)} channels; a label map has one. Save it as plain label values.")


def _is_2d(geometry: Geometry) -> bool:
    return geometry.dimensions == 2


def read_geometry(path: Path, readers: Readers | None = None) -> Geometry:
    """Return the geometry of an image file, from its header alone if the reader can; it raises as `read_voxels`."""
    reader = readers_or_core(readers).get(path)
    with _reading(reader, path):
        geometry = reader.read_geometry(path)
    return _checked(reader, geometry)


def write_label(path: Path, array: LabelArray, geometry: Geometry, readers: Readers | None = None) -> None:
    """Write a label map atomically in the smallest unsigned integer type, with the geometry of its image.

    Args:
        path: the file; its ending selects the format.
        array: (z, y, x), any integer dtype, values from 0 on.
        geometry: the geometry of the image; a 2D geometry gives a 2D file.
        readers: the readers to choose from; None for those of the core.

    Raises:
        NnplugError: the disk is full, the folder cannot be written, or the format cannot hold the values.
        ComponentFailed: the reader failed; the message names it and the file.
        ValueError: the shapes of array and geometry differ.
    """
    if array.shape != geometry.shape:
        raise ValueError(f"{path}: label map has shape {array.shape}, its image {geometry.shape}")
    dtype = np.min_scalar_type(int(array.max(initial=0)))
    stored, place = as_in_file(array.astype(dtype, copy=False), geometry)
    own = readers_or_core(readers)
    if own.folder_reader(path) is not None:
        raise InvalidFile(f"{path}: {own.entry(path)} only reads; choose the ending of a file, such as .nii.gz")
    reader = own.get(path)
    with _attributed(reader, path):
        reader.write_label(path, stored, place)


def write_image(path: Path, array: npt.NDArray[Any], geometry: Geometry, readers: Readers | None = None) -> None:
    """Write one channel (z, y, x) atomically, in the dtype of the array.

    Raises:
        NnplugError: the disk is full, the folder cannot be written, or the reader of this ending writes no images.
        ComponentFailed: the reader failed; the message names it and the file.
    """
    writer = readers_or_core(readers).writer(path)
    with _attributed(writer, path):
        writer.write_image(path, array, geometry)


def write_sidecars(path: Path, geometry: Geometry, readers: Readers | None = None) -> None:
    """Write the files that have a part of an image beside it, as the spacing of a TIFF, if the format has such files.

    Raises:
        ComponentFailed: the reader failed; the message names it and the file.
    """
    if (reader := readers_or_core(readers).sidecars(path)) is not None:
        with _attributed(reader, path):
            reader.write_sidecars(path, geometry)


@contextmanager
def _attributed(reader: Reader, path: Path) -> Iterator[None]:
    """Turn errors of a reader into one line that names it and the file."""
    try:
        with attributed(reader):
            yield
    except ComponentFailed as error:
        raise ComponentFailed(within(f"{path}: ", error.lines[0])) from error


@contextmanager
def _reading(reader: Reader, path: Path) -> Iterator[None]:
    """Turn errors of a reader into one line, and those of the disk into a fault of the file."""
    with _attributed(reader, path):
        try:
            yield
        except OSError as error:
            raise InvalidFile(f"{path}: cannot be read ({error.strerror or error}).", Action.VERIFY()) from error


def _checked(reader: Reader, geometry: Geometry) -> Geometry:
    return expect(reader, geometry, Geometry)


def _checked_voxels(reader: Reader, path: Path, given: tuple[Any, ...]) -> tuple[npt.NDArray[Any], Geometry]:
    array, geometry = given
    return _checked_array(reader, path, array, _checked(reader, geometry)), geometry


def _checked_array(reader: Reader, path: Path, array: npt.NDArray[Any], geometry: Geometry) -> npt.NDArray[Any]:
    shape, dtype = np.shape(array), expect(reader, array, np.ndarray).dtype
    if dtype.kind == "c":
        raise InvalidFile(
            f"{path}: has complex values. Save their magnitude, or real and imaginary part as two channels."
        )
    if len(shape) != 4 or not shape[0] or shape[1:] != geometry.shape or dtype.kind not in _NUMBERS:
        wanted = ", ".join(map(str, geometry.shape))
        raise broken(reader, f"gave {dtype} of shape {shape} for {path}; expected numbers (C, {wanted})")
    return array
