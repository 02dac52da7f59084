"""Tell by a few bytes of a file which library reads it as nnU-Net does: ITK, or Pillow, tifffile or nibabel.

No image library is imported for that, because most files are ITK's.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

PICTURES = (".png", ".bmp")
TIFF = (".tif", ".tiff")
WITHOUT_SPACING = (*PICTURES, *TIFF)

_PNG, _BMP = b"\x89PNG\r\n\x1a\n", b"BM"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_COLOURS = (0, 2, 6)
"""Colour types of PNG that ITK reads as nnU-Net does: gray, RGB and RGBA."""

_TIFF_COLOURS = (1, 2)
"""Colours of TIFF that ITK reads as nnU-Net does: gray whose 0 is black, and RGB."""

_BITS, _COLOURS, _SAMPLES, _PLANES, _TILES, _NUMBERS = 258, 262, 277, 284, 322, 339
"""Tags of a TIFF page."""

_SIZES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_FLOAT = 3


def is_picture(path: Path) -> bool:
    """Return whether the name ends in .png or .bmp."""
    return path.name.lower().endswith(PICTURES)


def is_tiff(path: Path) -> bool:
    """Return whether the name ends in .tif or .tiff."""
    return path.name.lower().endswith(TIFF)


def needs_pillow(path: Path) -> bool:
    """Return whether a .png or .bmp has 1 bit, a palette or transparency, or is another format than its name says.

    Raises:
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(33)
        if len(start) < 33:
            return False
        if path.name.lower().endswith(".bmp"):
            return start[:2] != _BMP or int.from_bytes(start[28:30], "little") != 24
        depth, colours = start[24], start[25]
        return start[:8] != _PNG or colours not in _PNG_COLOURS or depth < 8 or b"tRNS" in _png_chunks(file)


def _png_chunks(file: BinaryIO) -> set[bytes]:
    """Return the names of the chunks of a PNG between its header and its pixels."""
    found: set[bytes] = set()
    while len(start := file.read(8)) == 8 and start[4:] not in (b"IDAT", b"IEND"):
        found.add(start[4:])
        file.seek(int.from_bytes(start[:4], "big") + 4, 1)
    return found


def has_tiff_content(path: Path) -> bool:
    """Return whether a file begins as TIFF files do."""
    with path.open("rb") as file:
        return file.read(4) in _TIFF


def needs_tifffile(path: Path) -> bool:
    """Return whether a .tif has tiles, planes, a palette or numbers that ITK does not read, or is another format.

    Raises:
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(16)
        if start[:4] not in _TIFF:
            return len(start) == 16
        try:
            return not _is_plain(_first_page(file, start))
        except (struct.error, OverflowError, OSError):
            return False  # ITK names the damage


def _is_plain(tags: Mapping[int, int]) -> bool:
    is_float = tags.get(_NUMBERS, 1) == _FLOAT
    return (
        _TILES not in tags
        and tags.get(_PLANES, 1) == 1
        and tags.get(_COLOURS, 1) in _TIFF_COLOURS
        and tags.get(_SAMPLES, 1) in (1, 3, 4)
        and tags.get(_BITS, 1) in ((32,) if is_float else (8, 16))
    )


def _first_page(file: BinaryIO, start: bytes) -> dict[int, int]:
    """Return the tags with whole numbers of the first page; of several numbers the first."""
    order = "<" if start[:2] == b"II" else ">"
    big = b"+" in start[:4]
    count_size, entry_size, value_size = ("Q", 20, 8) if big else ("H", 12, 4)
    (offset,) = struct.unpack_from(f"{order}8xQ" if big else f"{order}4xI", start)
    file.seek(offset)
    (entries,) = struct.unpack(order + count_size, file.read(struct.calcsize(count_size)))
    directory = file.read(entry_size * min(entries, 4096))
    found: dict[int, int] = {}
    for place in range(0, len(directory) - entry_size + 1, entry_size):
        tag, kind, count = struct.unpack_from(f"{order}HH{'Q' if big else 'I'}", directory, place)
        if (form := _SIZES.get(kind)) is None or not count:
            continue
        value = directory[place + entry_size - value_size : place + entry_size]
        if count * struct.calcsize(form) > value_size:
            file.seek(struct.unpack(f"{order}{'Q' if big else 'I'}", value)[0])
            value = file.read(8)
        (found[tag],) = struct.unpack_from(order + form, value)
    return found
