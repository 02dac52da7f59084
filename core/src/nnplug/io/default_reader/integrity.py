"""Find faults that ITK ignores: truncated image files, and voxels that are NaN or infinite.

ITK reads a truncated NIfTI, BMP or multi-page TIFF without an error, with zeros or without slices. On a full disk it
writes truncated files without an error. The other formats it checks itself. It reads NaN in a NIfTI file as 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nnplug.io.default_reader import nifti

PNG_END = b"IEND\xaeB`\x82"


def is_intact(path: Path) -> bool:
    """Return whether a file has the size in its header, and the right checksum if it has one.

    Raises:
        OSError: the file cannot be opened.
    """
    check = next((c for endings, c in _CHECKS.items() if path.name.lower().endswith(endings)), None)
    try:
        return check is None or check(path)
    except nifti.DAMAGED:
        return False


def count_nonfinite(array: npt.NDArray[Any], path: Path | None = None) -> int:
    """Return the number of voxels that are NaN or infinite.

    Args:
        array: the voxels, any shape and dtype.
        path: the intact file of the array. If it is NIfTI, its bytes are counted, because ITK reads NaN as 0.

    Raises:
        OSError: the file cannot be opened.
    """
    in_file = nifti.scan(path).nonfinite if path is not None and nifti.is_nifti(path) else 0
    return in_file or int(np.count_nonzero(~np.isfinite(array)))


def nonfinite_voxels(array: npt.NDArray[Any], path: Path | None = None) -> str | None:
    """Return the words of a message about voxels that are NaN or infinite, or None if all are finite.

    Arguments and errors are those of `count_nonfinite`.
    """
    count = count_nonfinite(array, path)
    return f"{count} voxels are NaN or infinite, which readers may take for 0; replace them" if count else None


def _nifti(path: Path) -> bool:
    return nifti.scan(path).is_whole


def _bmp(path: Path) -> bool:
    with path.open("rb") as file:
        (promised,) = struct.unpack_from("<2xI", file.read(6))
    return bool(path.stat().st_size >= promised)


def _png(path: Path) -> bool:
    return PNG_END in path.read_bytes()


def _meta(path: Path) -> bool:
    """Return whether a header of MetaImage has a possible number of axes: ITK crashes on others."""
    with path.open("rb") as file:
        lines = file.read(_META_HEADER).split(b"ElementDataFile")[0].splitlines()
    words = dict(line.split(b"=", 1) for line in lines if b"=" in line)
    axes = [value for key, value in words.items() if key.strip() == b"NDims"]
    return all(value.strip() in _META_AXES for value in axes)


_META_HEADER = 1 << 16
_META_AXES = {str(axes).encode() for axes in range(1, 11)}


def _tiff(path: Path) -> bool:
    with path.open("rb") as file:
        return sum(1 for _ in _tiff_pages(file)) > 0


def _tiff_pages(file: BinaryIO) -> Iterator[int]:
    """Yield the offset of each page directory in bytes; raise `struct.error` if it leaves the file or is a circle."""
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}2xH", start)[0] == 43
    count, entry, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    (offset,) = struct.unpack_from(f"{order}8xQ" if big else f"{order}4xI", start)
    seen = set()
    while offset:
        if offset in seen:
            raise struct.error(f"the page at byte {offset} follows itself")
        seen.add(offset)
        yield offset
        file.seek(offset)
        (entries,) = _unpack(file, order + count)
        file.seek(entry * entries, 1)
        (offset,) = _unpack(file, order + link)


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


_CHECKS = {
    nifti.ENDINGS: _nifti,
    (".bmp",): _bmp,
    (".mha", ".mhd"): _meta,
    (".png",): _png,
    (".tif", ".tiff"): _tiff,
}
