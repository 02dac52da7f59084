"""The preprocessed cases of a configuration. A patch is read without loading its case.

A case is a folder of plain .npy files and `case.json`. No file stays open between reads: each read maps its file,
copies the slice and closes it, so that 10,000 cases and any number of threads need only a few file descriptors. Mapping
takes little time: a batch of 366 Hippocampus slices (image and label) takes 25 ms on one core. blosc2 files take
190 ms, and 60 % of the space (`bench/rows/loading.py`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import numpy.typing as npt

from nnplug.errors import InvalidFile, NnplugError, did_you_mean
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file, atomic_folder, remove_leftovers, write_text
from nnplug.runtime.json_files import read_json
from nnplug.runtime.records import Record
from nnplug.workspace.case_index import OWN_KEYS, CaseIndex, StoredIndex, array_files
from nnplug.workspace.previous_labels import PreviousLabels
from nnplug.workspace.stored_array import StoredArray

_RECORD = "case.json"


class UnknownCase(NnplugError, KeyError):
    """The error that a store does not have a case."""

    __str__ = Exception.__str__  # KeyError would put the message in quotes


@dataclass(frozen=True)
class Prepared:
    """A preprocessed case in memory. Axes are transposed as in the plans.

    Attributes:
        image: (C, z, y, x) float32, normalised, cropped and resampled.
        label: (z, y, x) int16; -1 is background that the preprocessor marks, such as voxels outside the nonzero mask.
            None if the case has no label map.
        info: JSON values with which the preprocessor returns to the image as read; the core does not read them.
    """

    image: npt.NDArray[np.float32]
    label: npt.NDArray[np.int16] | None
    info: Mapping[str, Any]


class _CaseRecord(Record, frozen=True, kw_only=True):
    """The keys of `case.json` that belong to the store; all others are values of the index.

    Attributes:
        info: as in `Prepared`.
        source: as in `StoredCase`.
        index: the key of the index.
    """

    info: dict[str, Any] = msgspec.field(name="frame")
    source: str
    index: str | None = None

    def text_with(self, values: Mapping[str, Any]) -> str:
        """Return the text of `case.json` with the values of an index."""
        return json.dumps({**self.data(), **values})

    @classmethod
    def read_with(cls, folder: Path) -> tuple[Self, dict[str, Any]]:
        """Return the record and the values of the index.

        Raises:
            InvalidFile: `case.json` is missing or invalid.
        """
        path = folder / _RECORD
        data = read_json(path)
        if not isinstance(data, dict):
            raise InvalidFile(f"{path}: expected a JSON object", Action.DELETE_AND_PREPROCESS(folder=folder))
        values = {key: value for key, value in data.items() if key not in OWN_KEYS}
        own = {key: value for key, value in data.items() if key in OWN_KEYS}
        return cls.from_data(own, str(path)), values


@dataclass(frozen=True)
class StoredCase:
    """A preprocessed case on disk, with the arrays of `Prepared`. An array is read when it is indexed.

    Attributes:
        name: the name of the case.
        image: (C, z, y, x) float32.
        label: (z, y, x) int16.
        info: as in `Prepared`.
        source: identifies the files and settings that the case was made from (see `CaseStore.write`).
        index: the index that the trainer stored.
        previous: (z, y, x), the label map that the previous stage of a cascade predicted; None without one.
    """

    name: str
    image: StoredArray
    label: StoredArray
    info: Mapping[str, Any]
    source: str
    index: StoredIndex = field(default_factory=StoredIndex)
    previous: StoredArray | None = None

    def channels(self) -> npt.NDArray[np.float32]:
        """Return the network's input (C, z, y, x) float32: the image, in a cascade with the previous label map.

        The label map of the previous stage is one last channel.
        """
        image: npt.NDArray[np.float32] = self.image[...]
        if self.previous is None:
            return image
        return np.concatenate((image, self.previous[np.newaxis]), dtype=np.float32)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the case in a folder; the arrays are not read yet.

        Raises:
            NnplugError: a file is missing or damaged.
        """
        record, values = _CaseRecord.read_with(folder)
        arrays = {name: StoredArray.open(file) for name, file in array_files(folder).items()}
        return cls(
            name=folder.name,
            image=StoredArray.open(folder / "image.npy"),
            label=StoredArray.open(folder / "label.npy"),
            info=record.info,
            source=record.source,
            index=StoredIndex(record.index, arrays, values),
        )


class CaseStore(Mapping[str, StoredCase]):
    """Preprocessed cases by name. Threads can share a store; cases may be written while others are read."""

    def __init__(self, folder: Path | str, *, previous: PreviousLabels | None = None) -> None:
        """Open a folder, which need not exist before the first `write`.

        Args:
            folder: the folder of the cases.
            previous: the label maps that the previous stage of a cascade predicted for them.
        """
        self.folder = Path(folder)
        self.previous = previous
        self._opened: dict[str, StoredCase] = {}  # a few hundred bytes per case, no open file

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the sorted names of the cases."""
        return iter(sorted(record.parent.name for record in self.folder.glob(f"[!.]*/{_RECORD}")))

    def __len__(self) -> int:
        """Return the number of cases."""
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> StoredCase:
        """Return the case with that name.

        Raises:
            UnknownCase: there is no such case; the message suggests the nearest name.
            NnplugError: its files are damaged, or the label map of the previous stage is missing.
        """
        if name not in self._opened:
            if not (self.folder / name / _RECORD).is_file():
                raise self._unknown(name)
            case = StoredCase.open(self.folder / name)
            self._opened[name] = case if self.previous is None else replace(case, previous=self.previous.read(name))
        return self._opened[name]

    def write(
        self,
        name: str,
        case: Prepared,
        *,
        source: str = "",
        index: CaseIndex | None = None,
        index_key: str | None = None,
    ) -> None:
        """Store a case with its label map, atomically. A case with the same name is replaced.

        Args:
            name: the name of the case.
            case: the case, which must have a label map.
            source: text that identifies the files and settings that the case was made from.
            index: the index of the case.
            index_key: text that identifies the rule that made the index.

        Raises:
            NnplugError: the disk is full or the folder cannot be written.
        """
        extra = index or CaseIndex()
        record = _CaseRecord(info=dict(case.info), source=source, index=index_key)
        assert case.label is not None, "training cases have labels"
        with atomic_folder(self.folder / name) as folder:
            _save(folder / "image.npy", case.image)
            _save(folder / "label.npy", case.label)
            for array_name, array in extra.arrays.items():
                _save(folder / f"{array_name}.npy", array)
            (folder / _RECORD).write_text(record.text_with(extra.values), encoding="utf-8")
        self.forget(name)

    def write_index(self, name: str, index: CaseIndex, key: str) -> None:
        """Replace the index of a case. Its image and label map are not changed.

        A kill at any moment leaves the old index, no index or the new index.

        Args:
            name: the name of the case.
            index: the new index.
            key: text that identifies the rule that made the index.

        Raises:
            NnplugError: there is no such case, or its folder cannot be written.
        """
        folder = self.folder / name
        record, _ = _CaseRecord.read_with(folder)
        if record.index is not None:  # remove the key first: a kill must not leave old values with new arrays
            record = msgspec.structs.replace(record, index=None)
            write_text(folder / _RECORD, record.text_with({}))
        for array_name, array in index.arrays.items():
            with atomic_file(folder / f"{array_name}.npy") as temporary:
                _save(temporary, array)
        record = msgspec.structs.replace(record, index=key)
        write_text(folder / _RECORD, record.text_with(index.values))
        for array_name, file in array_files(folder).items():
            if array_name not in index.arrays:
                file.unlink()
        self.forget(name)

    def forget(self, name: str) -> None:
        """Drop a case from the cache; the next access reads it from disk."""
        self._opened.pop(name, None)

    def remove(self, name: str) -> None:
        """Delete a case."""
        shutil.rmtree(self.folder / name)
        self._opened.pop(name, None)

    def remove_leftovers(self) -> None:
        """Delete the temporary folders of killed writes."""
        remove_leftovers(self.folder)

    def _unknown(self, name: str) -> UnknownCase:
        what = f"{self.folder}: no preprocessed case {name!r}"
        if hint := did_you_mean(name, self):
            return UnknownCase(f"{what}. {hint}")
        return UnknownCase(what, Action.PREPROCESS_AGAIN())


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array in C's order, in which parts of it are read; `np.argwhere` and transposing give another one."""
    np.save(path, np.ascontiguousarray(array))
