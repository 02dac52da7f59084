"""Whether an image file is all there.

ITK gives a truncated NIfTI, BMP or multi-page TIFF as an image with zeros or slices missing, and leaves one behind on
a full disk, both without an error. The other formats it checks itself.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20
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


def _nifti_gz(path: Path) -> bool:
    with gzip.open(path) as file:
        return _nifti_stream(file)


def _nifti(path: Path) -> bool:
    with path.open("rb") as file:
        return _nifti_stream(file)


def _nifti_stream(file: BinaryIO | gzip.GzipFile) -> bool:
    header = file.read(540)
    size = len(header)
    while chunk := file.read(CHUNK):
        size += len(chunk)
    return size >= _nifti_size(header)


def _nifti_size(header: bytes) -> int:
    order = "<" if header[:1] in (b"\x5c", b"\x1c") else ">"  # the header's own size, 348 or 540, comes first
    if struct.unpack_from(f"{order}i", header)[0] == 540:
        bits, *dim = struct.unpack_from(f"{order}h8q", header, 14)
        (offset,) = struct.unpack_from(f"{order}q", header, 168)
    else:
        dim = list(struct.unpack_from(f"{order}8h", header, 40))
        (bits,) = struct.unpack_from(f"{order}h", header, 72)
        (offset,) = struct.unpack_from(f"{order}f", header, 108)
    return int(offset) + int(math.prod(dim[1 : dim[0] + 1])) * int(bits) // 8


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
    (".nii.gz",): _nifti_gz,
    (".nii",): _nifti,
    (".bmp",): _bmp,
    (".png",): _png,
    (".tif", ".tiff"): _tiff,
}
