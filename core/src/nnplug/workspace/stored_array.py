"""Arrays in .npy files that are read patch by patch."""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from tokenize import TokenError
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from nnplug.errors import NnplugError
from nnplug.remedies import Action

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@dataclass(frozen=True)
class StoredArray:
    """An array in a .npy file, or some rows of it. Indexing reads only the indexed part; `numpy.asarray` reads all.

    Attributes:
        path: the path of the file.
        shape: the shape of the array.
        dtype: the dtype of the array.
        offset: the position of the array in the file, in bytes.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the array in a file; only the header is read.

        Raises:
            NnplugError: the file is missing or damaged.
        """
        try:
            return cls(path, *_layout(path))
        except (OSError, ValueError, EOFError, TokenError, SyntaxError) as error:  # of numpy's parser of headers
            raise _damaged(path, error) from error

    def rows(self, start: int, stop: int) -> StoredArray:
        """Return the rows from `start` up to, but without, `stop`."""
        row = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        return StoredArray(self.path, (stop - start, *self.shape[1:]), self.dtype, self.offset + start * row)

    def __len__(self) -> int:
        """Return the size of the first axis."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Return a copy of a part, with numpy's rules of indexing.

        Raises:
            NnplugError: the file is missing or damaged.
        """
        try:
            with self.path.open("rb") as file:
                whole = self._opened(file)
        except (OSError, ValueError, TypeError) as error:
            raise _damaged(self.path, error) from error
        return np.array(whole[key])

    @property
    def nbytes(self) -> int:
        """The size of the values in bytes."""
        return self.dtype.itemsize * math.prod(self.shape)

    def _opened(self, file: BufferedReader) -> npt.NDArray[Any]:
        """Return the array, memory-mapped; or read whole where the system or the file system maps no files."""
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError:
            file.seek(self.offset)
            values = np.frombuffer(file.read(self.nbytes), self.dtype)
            return values.reshape(self.shape)
        return np.ndarray(self.shape, self.dtype, mapped, self.offset)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:  # noqa: FBT001
        """Return a copy of the whole array; a `copy` of False raises `ValueError`."""
        if copy is False:
            raise ValueError(f"{self.path}: a stored array cannot be had without a copy")
        return self[...].astype(dtype or self.dtype, copy=False)


def _layout(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return shape, dtype and position in bytes of the array in a .npy file.

    Raises:
        ValueError: the file is damaged or cut short, or is not written as a C array.
    """
    with path.open("rb") as file:
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"its version of .npy is {version}")
        shape, fortran, dtype = _HEADERS[version](file)
        offset = file.tell()
    if fortran or dtype.hasobject:
        raise ValueError("it does not hold numbers in C's order")
    if path.stat().st_size < offset + dtype.itemsize * math.prod(shape):
        raise ValueError("it is cut short")
    return shape, dtype, offset


def _damaged(path: Path, error: Exception) -> NnplugError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return NnplugError(f"{path}: cannot be read ({reason})", Action.DELETE_AND_PREPROCESS(folder=path.parent))
