"""Write a case in the layout of a dataset: a file per channel, with other label values, and read every file again."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.dataset.cases import channel_mismatch
from nnplug.dataset.dataset import CaseFiles
from nnplug.dataset.file_names import file_ending
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.images import Geometry, read_label, read_voxels, write_image, write_label, write_sidecar

DETACHED = (".mhd", ".nhdr")
"""Endings of header files. Their voxels are in another file, which a copy of the header would not include."""


def write_case(case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
    """Write the channels and the label map of a case, and read each file again to check it.

    A file with one channel in the target's format is copied byte for byte. Any other file is decoded, and its channels
    are written one by one in their dtype.

    Args:
        case: the source: files with one or several channels (4D, vector or RGB pixels).
        target: one file per channel, and the label map if the source has one.
        values: label value in the source -> label value in the target; empty if no value changes.

    Raises:
        InvalidFile: a file cannot be read, has another number of channels, or has a value that is not in `values`.
        NnplugError: a file cannot be written, or the written file differs from the source.
    """
    written = 0
    for source in case.images:
        written += _write_channels(source, target.images[written:])
    if problem := channel_mismatch(written, len(target.images)):
        raise InvalidFile(f"{case.images[0]}: {problem}")
    if case.label is not None and target.label is not None:
        _write_label(case.label, target.label, values)


def _write_channels(source: Path, targets: Sequence[Path]) -> int:
    """Write the channels of one file and return their number."""
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
    """Return the label map (z, y, x) with other values."""
    table = np.full(1 << 16, -1, np.int16)  # indexed by the bits of a value: one lookup per voxel
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
