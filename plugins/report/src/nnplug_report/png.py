"""Write PNG pictures in memory."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from nnplug.pictures.drawing import Picture

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BIT_RGB = (8, 2, 0, 0, 0)


def png_bytes(picture: Picture) -> bytes:
    """Return the PNG of a picture (y, x, 3) uint8."""
    height, width, _ = picture.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)  # 0: no filter
    head = struct.pack(">2I5B", width, height, *_EIGHT_BIT_RGB)
    body = zlib.compress(rows.tobytes(), 9)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
