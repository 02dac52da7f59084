"""Label maps of training cases that the previous stage of a cascade predicted, on the grid of the next stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.errors import NnplugError
from nnplug.runtime.files import atomic_folder
from nnplug.runtime.records import Record
from nnplug.workspace.stored_array import StoredArray

_LABELS, _RECORD = "labels.npy", "labels.json"


class _LabelsRecord(Record, frozen=True, kw_only=True):
    """The content of `labels.json`: the digest of the weights that predicted the label map."""

    source: str


@dataclass(frozen=True)
class PreviousLabels:
    """The label maps by case, read patch by patch. Threads can share it.

    Attributes:
        folder: the folder of the label maps, which need not exist before the first `write`.
    """

    folder: Path

    def write(self, case: str, labels: LabelArray, *, source: str) -> None:
        """Store the label map of a case, atomically. An older one is replaced.

        Args:
            case: the name of the case.
            labels: (z, y, x), any integer dtype, no value below 0; stored in the smallest unsigned integer dtype.
            source: text that identifies the weights that predicted it.

        Raises:
            NnplugError: the disk is full or the folder cannot be written.
        """
        with atomic_folder(self.folder / case) as folder:
            small = labels.astype(np.min_scalar_type(int(labels.max(initial=0))), order="C")
            np.save(folder / _LABELS, small)
            _LabelsRecord(source=source).write(folder / _RECORD)

    def read(self, case: str) -> StoredArray:
        """Return the label map (z, y, x) of a case, which is read when it is indexed.

        Raises:
            NnplugError: the file is missing or damaged.
        """
        return StoredArray.open(self.folder / case / _LABELS)

    def holds(self, case: str, *, shape: tuple[int, ...], source: str) -> bool:
        """Return whether there is an undamaged label map with this shape and `source`."""
        try:
            return _LabelsRecord.read(self.folder / case / _RECORD).source == source and self.read(case).shape == shape
        except NnplugError:
            return False
