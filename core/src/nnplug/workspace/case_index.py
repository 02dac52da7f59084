"""The index of a preprocessed case: small arrays and values that a trainer stores with the case.

Their meaning is the trainer's; the store reads only their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nnplug.workspace.stored_array import StoredArray

OWN_ARRAYS = ("image", "label")
"""The arrays of every case."""
OWN_KEYS = ("frame", "source", "index")
"""The keys of every `case.json`."""


@dataclass(frozen=True)
class CaseIndex:
    """Small arrays and values that a trainer stores with a case, such as patch centres.

    Attributes:
        arrays: name -> array of any shape and dtype, stored as NAME.npy in the folder of the case.
        values: name -> JSON value, stored under this name in `case.json`.

    Raises:
        ValueError: the case itself uses a name, or the name of an array is not an identifier.
    """

    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `ValueError` unless every name can be stored."""
        for name in self.arrays:
            if name in OWN_ARRAYS or not name.isidentifier():
                raise ValueError(f"a case index cannot hold an array {name!r}")
        for name in self.values:
            if name in OWN_KEYS:
                raise ValueError(f"a case index cannot hold a value {name!r}")


@dataclass(frozen=True)
class StoredIndex:
    """The index of a stored case.

    Attributes:
        key: identifies the rule that made the index (see `CaseStore.write_index`). None without an index, and for cases
            that an older nnplug stored.
        arrays: name -> array on disk, read when it is indexed.
        values: name -> JSON value.
    """

    key: str | None = None
    arrays: Mapping[str, StoredArray] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


def array_files(folder: Path) -> dict[str, Path]:
    """Return name -> file of the arrays in a case's index, sorted by name."""
    files = sorted(folder.glob("[!.]*.npy"))
    return {file.stem: file for file in files if file.stem not in OWN_ARRAYS}
