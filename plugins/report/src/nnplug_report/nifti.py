"""Write small NIfTI files for the viewer, compressed, in memory."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_HEADER = 348
_OFFSET = 352
_UINT8 = 2
_MM = 2
_ALIGNED = 2
_INTENT_LABEL = 1002


@dataclass(frozen=True)
class Scale:
    """The scale of stored values: a value of the image is `slope * stored + intercept`."""

    slope: float = 1.0
    intercept: float = 0.0


def nifti_bytes(
    array: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64], *, scale: Scale | None = None, labels: bool = False
) -> bytes:
    """Return a gzipped NIfTI-1 file; equal arguments give equal bytes.

    Args:
        array: (z, y, x) uint8.
        affine: (4, 4), from voxel (x, y, z) to mm (R, A, S).
        scale: the scale of the values; None for the values themselves.
        labels: whether the values are labels.

    Raises:
        ValueError: an axis is longer than NIfTI-1 can hold.
    """
    if max(array.shape) > np.iinfo(np.int16).max:
        raise ValueError(f"shape {array.shape} has an axis of more than 32767 voxels")
    own = scale or Scale()
    header = bytearray(_OFFSET)
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    struct.pack_into("<i", header, 0, _HEADER)
    struct.pack_into("<8h", header, 40, 3, *array.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<h", header, 68, _INTENT_LABEL if labels else 0)
    struct.pack_into("<2h", header, 70, _UINT8, 8)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, _OFFSET, own.slope, own.intercept)
    header[123] = _MM
    struct.pack_into("<2h", header, 252, 0, _ALIGNED)
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = b"n+1\0"
    return gzip.compress(bytes(header) + np.ascontiguousarray(array).tobytes(), compresslevel=9, mtime=0)
