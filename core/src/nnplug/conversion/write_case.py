"""Write a case in the layout of a dataset: a file per channel, with other label values, and read every file again."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.cases import channel_mismatch
from nnplug.dataset.file_names import file_ending
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.images import Geometry, read_label, read_voxels, write_image, write_label, write_sidecars
from nnplug.io.readers import Readers

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
        written += _write_channels(_Pair(source, target.images[written:], case.readers, target.readers))
    if problem := channel_mismatch(written, len(target.images)):
        raise InvalidFile(f"{case.images[0]}: {problem}")
    if case.label is not None and target.label is not None:
        _write_label(_Pair(case.label, (target.label,), case.readers, target.readers), values)


@dataclass(frozen=True)
class _Pair:
    """A file of the source and the files to write, with their readers."""

    source: Path
    targets: Sequence[Path]
    reading: Readers
    writing: Readers

    @property
    def is_copyable(self) -> bool:
        """Return whether the file can be copied: both have the same format and reader, and the source no data file."""
        ending = file_ending(self.source, self.reading)
        if ending != file_ending(self.targets[0], self.writing) or ending in DETACHED:
            return False
        return self.reading.entry(self.source) == self.writing.entry(self.targets[0])


def _write_channels(pair: _Pair) -> int:
    """Write the channels of one file and return their number."""
    source, targets = pair.source, pair.targets
    array, geometry = read_voxels(source, pair.reading)
    if len(array) > len(targets):
        raise InvalidFile(f"{source}: has {len(array)} channels; there is room for {len(targets)} in 'channel_names'")
    if len(array) == 1 and pair.is_copyable:
        _copy(pair, geometry)
        return 1
    for channel, target in zip(array, targets, strict=False):
        write_image(target, channel, geometry, pair.writing)
        write_sidecars(target, geometry, pair.writing)
        _compare(replace(pair, targets=(target,)), channel, geometry)
    return len(array)


def _write_label(pair: _Pair, values: Mapping[int, int]) -> None:
    label = read_label(pair.source, pair.reading)
    changed = {old: new for old, new in values.items() if old != new}
    if not changed and pair.is_copyable:
        _copy(pair, label.geometry)
        return
    array = _renamed(label.array, values, pair.source) if values else label.array
    write_label(pair.targets[0], array, label.geometry, pair.writing)
    _compare(pair, array, label.geometry)


def _renamed(array: npt.NDArray[np.int16], values: Mapping[int, int], source: Path) -> npt.NDArray[np.int16]:
    """Return the label map (z, y, x) with other values."""
    table = np.full(1 << 16, -1, np.int16)  # indexed by the bits of a value: one lookup per voxel
    table[np.array(list(values), np.int16).view(np.uint16)] = list(values.values())
    renamed: npt.NDArray[np.int16] = table[array.view(np.uint16)]
    if renamed.min() < 0:
        value = array[renamed < 0].flat[0]
        raise InvalidFile(f"{source}: holds the label value {value}; known are {', '.join(map(str, values))}")
    return renamed


def _copy(pair: _Pair, geometry: Geometry) -> None:
    source, target = pair.source, pair.targets[0]
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    write_sidecars(target, geometry, pair.writing)
    if not filecmp.cmp(source, target, shallow=False):
        raise NnplugError(f"{target}: came out other than {source}; check the disk")


def _compare(pair: _Pair, array: npt.NDArray[Any], geometry: Geometry) -> None:
    source, target = pair.source, pair.targets[0]
    again, where = read_voxels(target, pair.writing)
    if not np.array_equal(again, array[None], equal_nan=array.dtype.kind == "f"):
        raise NnplugError(f"{target}: holds other values than {source}; choose another file_ending")
    if where.shape != geometry.shape or not all(_placements(where, geometry)):
        raise NnplugError(f"{target}: lies elsewhere than {source}; choose a file_ending that keeps spacing and origin")


def _placements(a: Geometry, b: Geometry) -> Iterator[bool]:
    for one, other in ((a.spacing, b.spacing), (a.origin, b.origin), (a.direction, b.direction)):
        yield len(one) == len(other) and np.allclose(one, other, rtol=1e-4, atol=1e-3)
