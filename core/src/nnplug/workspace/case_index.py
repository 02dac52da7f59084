"""The small arrays and values that a trainer stores beside a preprocessed case; the store knows their names only."""

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
    """Small arrays and values that a trainer wants beside a case, such as voxels to centre patches on.

    Attributes:
        arrays: name -> array; stored as NAME.npy in the folder of the case.
        values: name -> JSON value; stored under that name in `case.json`.

    Raises:
        ValueError: a name is taken by the case itself, or is no file name.
    """

    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names under which nothing could be stored."""
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
        key: which trainer's rule made it, as `CaseStore.write_index` was given it; None for none, and for cases that
            nnplug stored before it recorded keys.
        arrays: name -> array on disk, read when indexed.
        values: name -> JSON value.
    """

    key: str | None = None
    arrays: Mapping[str, StoredArray] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


def array_files(folder: Path) -> dict[str, Path]:
    """Return the files of the arrays of a case's index by their names, in order."""
    files = sorted(folder.glob("[!.]*.npy"))
    return {file.stem: file for file in files if file.stem not in OWN_ARRAYS}
