"""Files of other layouts brought into a dataset's: a file per channel, label values renamed, everything read back."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.dataset.dataset import CaseFiles
from nnplug.dataset.file_names import file_ending
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.images import Geometry, read_label, read_voxels, write_image, write_label, write_sidecar

DETACHED = (".mhd", ".nhdr")
"""Headers whose voxels lie in another file, which a copy would lose."""


def write_case(case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
    """Write a case's channels and label map, and read each file again.

    A file that holds one channel in the target's format is copied byte for byte; any other is decoded and its
    channels are written one by one, in their own type of number.

    Args:
        case: the source: files of one or several channels (4D, vector or RGB pixels).
        target: a file per channel, and the label map where the source has one.
        values: label value in the source -> in the target; empty where they stay as they are.

    Raises:
        InvalidFile: a file cannot be read, has another number of channels, or holds a value that `values` lacks.
        NnplugError: a file cannot be written, or came out other than it was.
    """
    written = 0
    for source in case.images:
        written += _write_channels(source, target.images[written:])
    if written != len(target.images):
        raise InvalidFile(f"{case.images[0]}: case {case.name!r} has {written} channels, expected {len(target.images)}")
    if case.label is not None and target.label is not None:
        _write_label(case.label, target.label, values)


def _write_channels(source: Path, targets: Sequence[Path]) -> int:
    """Write what one file holds; gives the number of channels."""
    array, geometry = read_voxels(source)
    if len(array) > len(targets):
        raise InvalidFile(f"{source}: has {len(array)} channels; there is room for {len(targets)} in 'channel_names'")
    if len(array) == 1 and _is_copyable(source, targets[0]):
        _copy(source, targets[0], geometry)
        return 1
    for channel, target in zip(array, targets, strict=False):
        write_image(target, channel, geometry)
        write_sidecar(target, geometry)
        _compare(source, channel, geometry, target)
    return len(array)


def _write_label(source: Path, target: Path, values: Mapping[int, int]) -> None:
    label = read_label(source)
    changed = {old: new for old, new in values.items() if old != new}
    if not changed and _is_copyable(source, target):
        _copy(source, target, label.geometry)
        return
    array = _renamed(label.array, values, source) if values else label.array
    write_label(target, array, label.geometry)
    _compare(source, array, label.geometry, target)


def _renamed(array: npt.NDArray[np.int16], values: Mapping[int, int], source: Path) -> npt.NDArray[np.int16]:
    """The label map (z, y, x) with other values."""
    table = np.full(1 << 16, -1, np.int16)  # by the value's bits: one look per voxel
    table[np.array(list(values), np.int16).view(np.uint16)] = list(values.values())
    renamed: npt.NDArray[np.int16] = table[array.view(np.uint16)]
    if renamed.min() < 0:
        value = array[renamed < 0].flat[0]
        raise InvalidFile(f"{source}: holds the label value {value}; known are {', '.join(map(str, values))}")
    return renamed


def _is_copyable(source: Path, target: Path) -> bool:
    ending = file_ending(source)
    return ending == file_ending(target) and ending not in DETACHED


def _copy(source: Path, target: Path, geometry: Geometry) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    write_sidecar(target, geometry)
    if not filecmp.cmp(source, target, shallow=False):
        raise NnplugError(f"{target}: came out other than {source}; check the disk")


def _compare(source: Path, array: npt.NDArray[Any], geometry: Geometry, target: Path) -> None:
    again, where = read_voxels(target)
    if not np.array_equal(again, array[None], equal_nan=array.dtype.kind == "f"):
        raise NnplugError(f"{target}: holds other values than {source}; choose another file_ending")
    if where.shape != geometry.shape or not all(_placements(where, geometry)):
        raise NnplugError(f"{target}: lies elsewhere than {source}; choose a file_ending that keeps spacing and origin")


def _placements(a: Geometry, b: Geometry) -> Iterator[bool]:
    for one, other in ((a.spacing, b.spacing), (a.origin, b.origin), (a.direction, b.direction)):
        yield len(one) == len(other) and np.allclose(one, other, rtol=1e-4, atol=1e-3)
