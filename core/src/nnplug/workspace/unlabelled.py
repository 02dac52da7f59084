"""The preprocessed images without label maps, beside the preprocessed cases of the same configuration."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np

from nnplug.errors import NnplugError
from nnplug.runtime.files import atomic_folder, remove_leftovers
from nnplug.runtime.records import Record
from nnplug.workspace.case_store import Prepared, UnknownCase
from nnplug.workspace.stored_array import StoredArray

_RECORD, _IMAGE = "case.json", "image.npy"


class _CaseRecord(Record, frozen=True, kw_only=True):
    """The content of `case.json`; its keys are those of a training case.

    Attributes:
        info: as in `Prepared`.
        source: as in `UnlabelledCase`.
    """

    info: dict[str, Any] = msgspec.field(name="frame")
    source: str


@dataclass(frozen=True)
class UnlabelledCase:
    """A preprocessed image without a label map, on disk. Its array is read when it is indexed.

    Attributes:
        name: the name of the case.
        image: (C, z, y, x) float32.
        info: as in `nnplug.workspace.case_store.Prepared`.
        source: identifies the files and settings that the image was made from.
    """

    name: str
    image: StoredArray
    info: Mapping[str, Any]
    source: str

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the case in a folder; the array is not read yet.

        Raises:
            NnplugError: a file is missing or damaged.
        """
        record = _CaseRecord.read(folder / _RECORD)
        return cls(folder.name, StoredArray.open(folder / _IMAGE), record.info, record.source)


@dataclass(frozen=True)
class UnlabelledStore(Mapping[str, UnlabelledCase]):
    """Preprocessed images without label maps, by name. Threads can share a store.

    Attributes:
        folder: the folder of the images, which need not exist before the first `write`.
    """

    folder: Path

    @classmethod
    def beside(cls, cases: Path) -> Self:
        """Return the store beside the folder of a configuration's case store."""
        return cls(cases.with_name(f"{cases.name}_unlabelled"))

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the sorted names of the cases."""
        return iter(sorted(record.parent.name for record in self.folder.glob(f"[!.]*/{_RECORD}")))

    def __len__(self) -> int:
        """Return the number of cases."""
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> UnlabelledCase:
        """Return the case with that name.

        Raises:
            UnknownCase: there is no such case.
            NnplugError: its files are damaged.
        """
        if not (self.folder / name / _RECORD).is_file():
            raise UnknownCase(f"{self.folder}: no preprocessed image {name!r}")
        return UnlabelledCase.open(self.folder / name)

    def holds(self, name: str, source: str) -> bool:
        """Return whether there is an undamaged case with this name and `source`."""
        try:
            return self[name].source == source
        except NnplugError:
            return False

    def write(self, name: str, case: Prepared, *, source: str) -> None:
        """Store an image, atomically. A case with the same name is replaced.

        Args:
            name: the name of the case.
            case: the preprocessed image; its label map is not stored.
            source: text that identifies the files and settings that it was made from.

        Raises:
            NnplugError: the disk is full or the folder cannot be written.
        """
        with atomic_folder(self.folder / name) as folder:
            np.save(folder / _IMAGE, np.ascontiguousarray(case.image))
            _CaseRecord(info=dict(case.info), source=source).write(folder / _RECORD)

    def keep_only(self, names: set[str]) -> None:
        """Delete all other cases, and the temporary folders of killed writes."""
        remove_leftovers(self.folder)
        for name in set(self) - names:
            shutil.rmtree(self.folder / name)
