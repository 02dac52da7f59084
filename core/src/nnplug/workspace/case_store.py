"""The preprocessed cases of a configuration: single patches are read without loading the case.

A case is a folder of plain .npy files that any numpy opens, and `case.json`. Nothing stays open between reads: each
maps its file, copies the slice and lets go, so that 10,000 cases and any number of threads need no more than a handful
of file descriptors. Mapping costs little: a batch of 366 Hippocampus slices (image and label) takes 25 ms on one core,
where blosc2 files take 190 ms for 60 % of the space (`bench/rows/loading.py`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from nnplug.errors import NnplugError
from nnplug.io.crop_info import CropInfo
from nnplug.runtime.files import atomic_folder
from nnplug.runtime.records import Record
from nnplug.workspace.previous_labels import PreviousLabels
from nnplug.workspace.stored_array import StoredArray

Voxels = npt.NDArray[np.int32]
"""Rows of (z, y, x)."""

_RECORD = "case.json"


class UnknownCase(NnplugError, KeyError):
    """A store has no such case."""

    __str__ = Exception.__str__  # KeyError would put the message in quotes


@dataclass(frozen=True)
class Prepared:
    """A preprocessed case, in memory. Axes are transposed as the plans say.

    Attributes:
        image: (C, z, y, x) float32, normalised, cropped and resampled.
        label: (z, y, x) int16, -1 outside the nonzero mask; None where the case has no label map.
        crop_info: the way back to the image as read.
        foreground: class or region, as `Labels.keys` calls it -> some of its voxels.
        annotated: some voxels of every label but the ignored one, -1 included; None without an ignore label.
    """

    image: npt.NDArray[np.float32]
    label: npt.NDArray[np.int16] | None
    crop_info: CropInfo
    foreground: Mapping[str, Voxels] = field(default_factory=dict)
    annotated: Voxels | None = None


class _CaseRecord(Record, frozen=True, kw_only=True):
    """What `case.json` holds: counts of the voxels that lie in `voxels.npy` one after another."""

    crop_info: CropInfo = msgspec.field(name="frame")
    foreground: dict[str, int]
    annotated: int | None
    source: str


@dataclass(frozen=True)
class StoredCase:
    """A preprocessed case on disk. The arrays are those of `Prepared`, read when indexed.

    Attributes:
        name: of the case.
        image: (C, z, y, x) float32.
        label: (z, y, x) int16.
        crop_info: the way back to the image as read.
        foreground: class or region -> some of its voxels, (n, 3).
        annotated: some annotated voxels, (n, 3), where there is an ignore label.
        source: what the case was made of, as `CaseStore.write` was told.
        previous: (z, y, x), the label map that the previous stage of a cascade predicted; None where there is none.
    """

    name: str
    image: StoredArray
    label: StoredArray
    crop_info: CropInfo
    foreground: Mapping[str, StoredArray]
    annotated: StoredArray | None
    source: str
    previous: StoredArray | None = None

    def channels(self) -> npt.NDArray[np.float32]:
        """What prediction takes, in memory: the image, and in a cascade the previous stage's label map as a channel."""
        image: npt.NDArray[np.float32] = self.image[...]
        if self.previous is None:
            return image
        return np.concatenate((image, self.previous[np.newaxis]), dtype=np.float32)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read everything but the arrays.

        Raises:
            NnplugError: a file is missing or damaged.
        """
        record = _CaseRecord.read(folder / _RECORD)
        voxels, start = StoredArray.open(folder / "voxels.npy"), 0
        foreground = {}
        for key, count in record.foreground.items():
            foreground[key] = voxels.rows(start, start + count)
            start += count
        return cls(
            name=folder.name,
            image=StoredArray.open(folder / "image.npy"),
            label=StoredArray.open(folder / "label.npy"),
            crop_info=record.crop_info,
            foreground=foreground,
            annotated=None if record.annotated is None else voxels.rows(start, start + record.annotated),
            source=record.source,
        )


class CaseStore(Mapping[str, StoredCase]):
    """Preprocessed cases by name. Safe for threads; cases may be written while others are read."""

    def __init__(self, folder: Path | str, *, previous: PreviousLabels | None = None) -> None:
        """Look at a folder; it need not exist before the first `write`.

        Args:
            folder: where the cases are.
            previous: what the previous stage of a cascade predicted for them.
        """
        self.folder = Path(folder)
        self.previous = previous
        self._opened: dict[str, StoredCase] = {}  # a few hundred bytes per case, no open file

    def __iter__(self) -> Iterator[str]:
        """The names of the cases in order."""
        return iter(sorted(record.parent.name for record in self.folder.glob(f"[!.]*/{_RECORD}")))

    def __len__(self) -> int:
        """The number of cases."""
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> StoredCase:
        """The case with that name.

        Raises:
            UnknownCase: there is none; the nearest name is suggested.
            NnplugError: its files are damaged, or the previous stage has not predicted it.
        """
        if name not in self._opened:
            if not (self.folder / name / _RECORD).is_file():
                raise self._unknown(name)
            case = StoredCase.open(self.folder / name)
            self._opened[name] = case if self.previous is None else replace(case, previous=self.previous.read(name))
        return self._opened[name]

    def write(self, name: str, case: Prepared, *, source: str = "") -> None:
        """Store a case with its label, whole or not at all; one of the same name is replaced.

        Args:
            name: of the case.
            case: what to store.
            source: anything that tells later whether the case is still what it should be.

        Raises:
            NnplugError: the disk is full or the folder cannot be written.
        """
        groups = [*case.foreground.values(), *([] if case.annotated is None else [case.annotated])]
        record = _CaseRecord(
            crop_info=case.crop_info,
            foreground={key: len(voxels) for key, voxels in case.foreground.items()},
            annotated=None if case.annotated is None else len(case.annotated),
            source=source,
        )
        assert case.label is not None, "cases to learn from have labels"
        with atomic_folder(self.folder / name) as folder:
            np.save(folder / "image.npy", case.image)
            np.save(folder / "label.npy", case.label)
            np.save(folder / "voxels.npy", np.concatenate([np.empty((0, 3), np.int32), *groups]))
            (folder / _RECORD).write_text(json.dumps(record.data()), encoding="utf-8")
        self._opened.pop(name, None)

    def remove(self, name: str) -> None:
        """Delete a case."""
        shutil.rmtree(self.folder / name)
        self._opened.pop(name, None)

    def remove_leftovers(self) -> None:
        """Delete what writes that were killed have left behind."""
        for leftover in self.folder.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _unknown(self, name: str) -> UnknownCase:
        close = get_close_matches(name, self, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "nnplug preprocess fills it."
        return UnknownCase(f"{self.folder}: no preprocessed case {name!r}. {hint}")
