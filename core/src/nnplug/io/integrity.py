"""Check what ITK ignores: truncated image files, and voxels that are no numbers.

ITK gives a truncated NIfTI, BMP or multi-page TIFF as an image with zeros or slices missing, and leaves one behind on
a full disk, both without an error; the other formats it checks itself. NaN in a NIfTI it gives as 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nnplug.io import nifti

PNG_END = b"IEND\xaeB`\x82"


def is_intact(path: Path) -> bool:
    """Return whether the file has the size that its header states, and the right checksum where it has one.

    Raises:
        OSError: the file cannot be opened.
    """
    check = next((c for endings, c in _CHECKS.items() if path.name.lower().endswith(endings)), None)
    try:
        return check is None or check(path)
    except nifti.DAMAGED:
        return False


def count_nonfinite(array: npt.NDArray[Any], path: Path | None = None) -> int:
    """Return how many voxels are NaN or infinite.

    Args:
        array: the voxels, of any shape.
        path: the intact file that they were read from, which is looked into where it is NIfTI: ITK gives NaN as 0.
    """
    in_file = nifti.scan(path).nonfinite if path is not None and nifti.is_nifti(path) else 0
    return in_file or int(np.count_nonzero(~np.isfinite(array)))


def _nifti(path: Path) -> bool:
    return nifti.scan(path).is_whole


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
    nifti.ENDINGS: _nifti,
    (".bmp",): _bmp,
    (".png",): _png,
    (".tif", ".tiff"): _tiff,
}
