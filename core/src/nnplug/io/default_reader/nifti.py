"""Read the voxels of plain NIfTI files in one pass. All other files are left to ITK.

ITK takes 5 ms and more for a file whose decompression takes 1 ms: it opens the file several times. It also reads NaN as
0, and gives no error when voxels are missing. The geometry always comes from ITK, as in nnU-Net.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from nnplug.io.recent_arrays import RecentArrays

ENDINGS = (".nii.gz", ".nii")
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, struct.error)
"""The errors that a damaged file raises."""

_CHUNK = 1 << 20
_HEADER = 540
"""Bytes of a NIfTI-2 header; a NIfTI-1 header has 348."""

_IN_MM = (0, 2)
"""Units of length that are mm, or unknown and taken as mm."""

GZIP = b"\x1f\x8b"
"""The first bytes of compressed files."""

_REMEMBERED = 100_000
"""The number of files whose scan is kept, a few hundred bytes each."""

_RECENT = RecentArrays(room=100_000_000)

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}


class Header(NamedTuple):
    """The layout of voxels in the file.

    Attributes:
        offset: the first byte of the voxels.
        size: the size in bytes of header and voxels.
        shape: (z, y, x), or the axes that the file has, slowest first.
        dtype: of a voxel; None for types that are left to ITK.
        is_scaled: whether the header has a factor or an offset for the values.
        unit: the code of the unit of length; 0 for none, 2 for mm.
    """

    offset: int
    size: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    is_scaled: bool
    unit: int

    @classmethod
    def parse(cls, start: bytes) -> Self:
        """Return the header in the first bytes of a file.

        Raises:
            struct.error: there are too few bytes.
        """
        order = "<" if start[:1] in (b"\x5c", b"\x1c") else ">"  # the first field is the header's size, 348 or 540
        if struct.unpack_from(f"{order}i", start)[0] == _HEADER:
            kind, bits, *dim = struct.unpack_from(f"{order}2h8q", start, 12)
            (offset,) = struct.unpack_from(f"{order}q", start, 168)
            scale = list(struct.unpack_from(f"{order}2d", start, 176))
            (unit,) = struct.unpack_from(f"{order}i", start, 500)
        else:
            dim = list(struct.unpack_from(f"{order}8h", start, 40))
            kind, bits = struct.unpack_from(f"{order}2h", start, 70)
            offset, *scale = struct.unpack_from(f"{order}3f", start, 108)
            unit = start[123]
        axes = dim[1 : dim[0] + 1]
        dtype = np.dtype(order + _TYPES[kind]) if kind in _TYPES else None
        end = int(offset) + math.prod(axes) * int(bits) // 8
        return cls(int(offset), end, tuple(reversed(axes)), dtype, tuple(scale) not in {(0, 0), (1, 0)}, unit & 7)

    @property
    def is_plain(self) -> bool:
        """Return whether the voxels are plain values in two to four axes."""
        return self.dtype is not None and not self.is_scaled and 2 <= len(self.shape) <= 4


class Scan(NamedTuple):
    """The result of a scan: whether all voxels are there, and the number of NaN or infinite voxels."""

    is_whole: bool
    nonfinite: int


_WHOLE = Scan(is_whole=True, nonfinite=0)
"""The scan of every file that `read_plain` reads."""


class _Version(NamedTuple):
    """The path, size and time of change of a file."""

    path: Path
    size: int
    changed: int


def is_nifti(path: Path) -> bool:
    """Return whether the name ends in .nii or .nii.gz."""
    return path.name.lower().endswith(ENDINGS)


def needs_nibabel(path: Path) -> bool:
    """Return whether ITK converts values or lengths of a .nii file, for which nnU-Net takes nibabel's.

    Raises:
        OSError: the file cannot be opened.
        struct.error: the file is too short.
    """
    if not path.name.lower().endswith(".nii"):
        return False
    with opened(path) as file:
        header = Header.parse(file.read(_HEADER))
    return len(header.shape) == 3 and (header.is_scaled or header.unit not in _IN_MM)


def read_plain(path: Path) -> npt.NDArray[Any] | None:
    """Return the voxels of a file, slowest axis first, in its dtype and native byte order. Do not change the array.

    Arrays of small files are kept, because verification, fingerprint and each configuration read the same files.

    Returns:
        None if ITK must read the file: other formats, scaled values, rare dtypes, damaged files, and files with NaN or
        infinity (see `scan`).

    Raises:
        OSError: the file cannot be opened.
    """
    if not is_nifti(path):
        return None
    version = _version(path)
    voxels = _RECENT.find(version)
    if voxels is None:
        voxels = _read(path)
        if voxels is not None:
            _RECENT.keep(version, voxels)
    return voxels


def _read(path: Path) -> npt.NDArray[Any] | None:
    try:
        data = path.read_bytes()
        content = gzip.decompress(data) if data[:2] == GZIP else data
        header = Header.parse(content)
    except DAMAGED:
        return None
    if not header.is_plain or len(content) < header.size:
        return None
    assert header.dtype is not None
    voxels = np.frombuffer(content, header.dtype, math.prod(header.shape), header.offset)
    if header.dtype.kind == "f" and not np.isfinite(voxels).all():
        return None
    return voxels.reshape(header.shape).astype(header.dtype.newbyteorder("="), copy=False)


def scan(path: Path) -> Scan:
    """Return the scan of a NIfTI file. Each version of a file is scanned once.

    Raises:
        OSError: the file cannot be opened.
        EOFError, zlib.error, gzip.BadGzipFile, struct.error: the file is damaged.
    """
    version = _version(path)
    return _WHOLE if _RECENT.find(version) is not None else _scanned(*version)


def _version(path: Path) -> _Version:
    stat = path.stat()
    return _Version(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=_REMEMBERED)
def _scanned(path: Path, _size: int, _changed: int) -> Scan:
    with opened(path) as file:
        start = file.read(_HEADER)
        header = Header.parse(start)
        start += file.read(max(0, header.offset - _HEADER))
        size, nonfinite, rest = len(start), 0, start[header.offset :]
        for chunk in chain([b""], _chunks(file)):
            size += len(chunk)
            if header.dtype is not None and header.dtype.kind == "f":
                count, rest = _nonfinite(rest + chunk, header.dtype)
                nonfinite += count
    return Scan(size >= header.size, nonfinite)


def opened(path: Path) -> gzip.GzipFile | BufferedReader:
    """Return the file, decompressed if its content is compressed, whatever its name says."""
    file = path.open("rb")
    compressed = file.read(2) == GZIP
    file.close()
    return gzip.open(path) if compressed else path.open("rb")


def _chunks(file: gzip.GzipFile | BufferedReader) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")


def _nonfinite(data: bytes, dtype: np.dtype[Any]) -> tuple[int, bytes]:
    """Return the count of numbers in `data` that are not finite, and the bytes of an incomplete last number."""
    whole = len(data) // dtype.itemsize
    voxels = np.frombuffer(data, dtype, whole)
    return int(np.count_nonzero(~np.isfinite(voxels))), data[whole * dtype.itemsize :]
