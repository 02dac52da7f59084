"""What ITK passes over in silence: whether an image file is all there and holds numbers.

ITK gives a truncated NIfTI, BMP or multi-page TIFF as an image with zeros or slices missing, and leaves one behind on
a full disk, both without an error; the other formats it checks itself. NaN in a NIfTI it gives as 0.
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
from typing import Any, BinaryIO, NamedTuple

import numpy as np

CHUNK = 1 << 20
REMEMBERED = 100_000
"""Files whose scan is kept, a few hundred bytes each."""

HEADER = 540
"""Bytes of a NIfTI-2 header; one of NIfTI-1 has 348."""

PNG_END = b"IEND\xaeB`\x82"


def is_intact(path: Path) -> bool:
    """Whether the file holds as many bytes as its header promises and its checksum, where it has one, is right.

    Raises:
        OSError: the file cannot be opened.
    """
    check = next((c for endings, c in _CHECKS.items() if path.name.lower().endswith(endings)), None)
    try:
        return check is None or check(path)
    except (EOFError, zlib.error, gzip.BadGzipFile, struct.error):
        return False


def count_nonfinite(path: Path) -> int:
    """How many voxels of a NIfTI file are NaN or infinite: ITK gives them as 0. Of other files, 0.

    The file must be intact.
    """
    return _scan(path).nonfinite if path.name.lower().endswith((".nii", ".nii.gz")) else 0


def _nifti(path: Path) -> bool:
    return _scan(path).is_whole


class _Scan(NamedTuple):
    """What one pass through a NIfTI file tells."""

    is_whole: bool
    nonfinite: int


def _scan(path: Path) -> _Scan:
    """The scan of a file as it is now: verifying, measuring and preparing a case ask again for the same."""
    stat = path.stat()
    return _scanned(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=REMEMBERED)
def _scanned(path: Path, _size: int, _changed: int) -> _Scan:
    with _open_nifti(path) as file:
        start = file.read(HEADER)
        header = _nifti_header(start)
        start += file.read(max(0, header.offset - HEADER))
        size, nonfinite, rest = len(start), 0, start[header.offset :]
        for chunk in chain([b""], iter(lambda: file.read(CHUNK), b"")):
            size += len(chunk)
            if header.floats is not None:
                count, rest = _nonfinite(rest + chunk, header.floats)
                nonfinite += count
    return _Scan(size >= header.size, nonfinite)


def _nonfinite(data: bytes, dtype: np.dtype[np.floating[Any]]) -> tuple[int, bytes]:
    """How many of the numbers of type `dtype` in `data` are not finite, and the bytes of a last, torn one."""
    whole = len(data) // dtype.itemsize
    voxels = np.frombuffer(data, dtype, whole)
    return int(np.count_nonzero(~np.isfinite(voxels))), data[whole * dtype.itemsize :]


def _open_nifti(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")


class _Nifti(NamedTuple):
    """Where the voxels begin, where they end, and their type if it is a floating one."""

    offset: int
    size: int
    floats: np.dtype[np.floating[Any]] | None


def _nifti_header(start: bytes) -> _Nifti:
    order = "<" if start[:1] in (b"\x5c", b"\x1c") else ">"  # the header's own size, 348 or 540, comes first
    if struct.unpack_from(f"{order}i", start)[0] == HEADER:
        kind, bits, *dim = struct.unpack_from(f"{order}2h8q", start, 12)
        (offset,) = struct.unpack_from(f"{order}q", start, 168)
    else:
        dim = list(struct.unpack_from(f"{order}8h", start, 40))
        kind, bits = struct.unpack_from(f"{order}2h", start, 70)
        (offset,) = struct.unpack_from(f"{order}f", start, 108)
    floats = {16: np.dtype(f"{order}f4"), 64: np.dtype(f"{order}f8")}.get(kind)
    voxels: int = math.prod(dim[1 : dim[0] + 1])
    return _Nifti(int(offset), int(offset) + voxels * int(bits) // 8, floats)


def _bmp(path: Path) -> bool:
    with path.open("rb") as file:
        (promised,) = struct.unpack_from("<2xI", file.read(6))
    return bool(path.stat().st_size >= promised)


def _png(path: Path) -> bool:
    return PNG_END in path.read_bytes()


def _tiff(path: Path) -> bool:
    with path.open("rb") as file:
        return len(list(_tiff_pages(file))) > 0


def _tiff_pages(file: BinaryIO) -> Iterator[int]:
    """Follow the chain of page directories to its end; reading beyond the file's end is a `struct.error`."""
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}2xH", start)[0] == 43
    count, entry, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    (offset,) = struct.unpack_from(f"{order}8xQ" if big else f"{order}4xI", start)
    while offset:
        yield offset
        file.seek(offset)
        (entries,) = _unpack(file, order + count)
        file.seek(entry * entries, 1)
        (offset,) = _unpack(file, order + link)


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


_CHECKS = {
    (".nii.gz", ".nii"): _nifti,
    (".bmp",): _bmp,
    (".png",): _png,
    (".tif", ".tiff"): _tiff,
}
