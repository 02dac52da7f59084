"""Read the voxels of NIfTI files, and find faults that ITK ignores: truncated files, and NaN, which it reads as 0."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug_runtime.faults import Fault

ENDINGS = (".nii.gz", ".nii")

_GZIP = b"\x1f\x8b"
_SECOND = 540
"""The bytes of a header of NIfTI-2; one of NIfTI-1 has 348."""

_IN_MM = (0, 2)
"""Units of length that are mm, or unknown and taken as mm."""

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}


@dataclass(frozen=True)
class _Header:
    """The layout of voxels in the file: first byte, total bytes, axes (slowest first), dtype, scaling, unit."""

    offset: int
    size: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    is_scaled: bool
    unit: int


def read_voxels(path: Path) -> npt.NDArray[Any] | None:
    """Return the voxels, slowest axis first, or None if ITK must read them: scaled values and rare dtypes.

    Raises:
        Fault: the file is damaged or truncated, a voxel is NaN or infinite, or a .nii file has another unit than mm.
        OSError: the file cannot be opened.
    """
    data = path.read_bytes()
    try:
        content = gzip.decompress(data) if data[:2] == _GZIP else data
        header = _header(content)
    except (EOFError, zlib.error, gzip.BadGzipFile, struct.error, ValueError) as error:
        raise Fault(f"{path}: is empty or truncated; copy it again or leave its case out.") from error
    if len(content) < header.size:
        raise Fault(f"{path}: is empty or truncated; copy it again or leave its case out.")
    if path.name.lower().endswith(".nii") and header.unit not in _IN_MM:
        raise Fault(f"{path}: its unit of length is not mm (code {header.unit}); save it in mm")
    if header.dtype is None:
        return None
    voxels = np.frombuffer(content, header.dtype, math.prod(header.shape), header.offset).reshape(header.shape)
    if header.dtype.kind == "f" and (wrong := int(np.count_nonzero(~np.isfinite(voxels)))):
        raise Fault(f"{path}: {wrong} voxels are NaN or infinite, which readers may take for 0; replace them.")
    return None if header.is_scaled else voxels.astype(header.dtype.newbyteorder("="), copy=False)


def is_whole(path: Path) -> bool:
    """Return whether a written file has all of its voxels: on a full disk ITK gives no error."""
    try:
        read_voxels(path)
    except Fault:
        return False
    return True


def _header(start: bytes) -> _Header:
    order = "<" if start[:1] in (b"\x5c", b"\x1c") else ">"  # the first field is the header's size, 348 or 540
    if struct.unpack_from(f"{order}i", start)[0] == _SECOND:
        kind, bits, *dim = struct.unpack_from(f"{order}2h8q", start, 12)
        (offset,) = struct.unpack_from(f"{order}q", start, 168)
        scale = struct.unpack_from(f"{order}2d", start, 176)
        (unit,) = struct.unpack_from(f"{order}i", start, 500)
    else:
        dim = list(struct.unpack_from(f"{order}8h", start, 40))
        kind, bits = struct.unpack_from(f"{order}2h", start, 70)
        (offset,) = struct.unpack_from(f"{order}f", start, 108)
        scale = struct.unpack_from(f"{order}2f", start, 112)
        unit = start[123]
    shape = tuple(reversed(dim[1 : dim[0] + 1]))
    dtype = np.dtype(order + _TYPES[kind]) if kind in _TYPES and len(shape) in (2, 3, 4) else None
    size = int(offset) + math.prod(shape) * int(bits) // 8
    return _Header(int(offset), size, shape, dtype, tuple(scale) not in {(0, 0), (1, 0)}, unit & 7)
