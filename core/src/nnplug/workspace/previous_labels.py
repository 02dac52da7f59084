"""Label maps of the training cases, predicted by the previous stage of a cascade, on the grid of the next stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.errors import NnplugError
from nnplug.runtime.files import atomic_folder
from nnplug.runtime.records import Record
from nnplug.workspace.stored_array import StoredArray

_LABELS, _RECORD = "labels.npy", "labels.json"


class _Origin(Record, frozen=True, kw_only=True):
    """The content of `labels.json`: the digest of the weights that predicted."""

    source: str


@dataclass(frozen=True)
class PreviousLabels:
    """Label maps by case, a byte per voxel, read patch by patch. Safe for threads.

    Attributes:
        folder: where they are; it need not exist before the first `write`.
    """

    folder: Path

    def write(self, case: str, labels: npt.NDArray[np.integer[Any]], *, source: str) -> None:
        """Store the label map (z, y, x) of a case, whole or not at all; an older one is replaced.

        Args:
            case: its name.
            labels: no value below 0.
            source: tells later which weights predicted it.

        Raises:
            NnplugError: the disk is full or the folder cannot be written.
        """
        with atomic_folder(self.folder / case) as folder:
            np.save(folder / _LABELS, labels.astype(np.min_scalar_type(int(labels.max(initial=0)))))
            _Origin(source=source).write(folder / _RECORD)

    def read(self, case: str) -> StoredArray:
        """The label map (z, y, x) of a case, read when indexed.

        Raises:
            NnplugError: it is missing or damaged.
        """
        return StoredArray.open(self.folder / case / _LABELS)

    def holds(self, case: str, *, shape: tuple[int, ...], source: str) -> bool:
        """Return whether there is an undamaged label map of that shape, predicted by those weights."""
        try:
            return _Origin.read(self.folder / case / _RECORD).source == source and self.read(case).shape == shape
        except NnplugError:
            return False
