"""Damage to the headers of images, so that the rest of the file still fits them or no longer does."""

from __future__ import annotations

import gzip
import struct
import zlib
from random import Random

from tests.torture.damage.blocks import damage_bytes
from tests.torture.damage.text import damage_numbers

_SHORTS = (0, -1, 1, 2, 7, 8, 255, 32767, -32768)
_FLOATS = (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), 3.5, 1e9)
_LONGS = (0, 1, 2, 3, 255, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)

_NIFTI_SHORTS = (*range(40, 56, 2), 70, 72, 74, 252, 254)
"""Offsets of dim, datatype, bitpix, slice_start, qform_code and sform_code."""

_NIFTI_FLOATS = (*range(76, 112, 4), 112, 116, *range(256, 328, 4))
"""Offsets of pixdim, vox_offset, scl_slope, scl_inter, quaternion and sform."""


def damage_image(data: bytes, rng: Random, ending: str) -> bytes:
    """Return an image with one fault, half of the time in its header.

    Args:
        data: the file.
        rng: draws the fault.
        ending: the ending of the file, such as ".nii.gz".
    """
    headers = {
        ".nii": _nifti,
        ".nii.gz": _gzipped,
        ".png": _png,
        ".bmp": _bmp,
        ".tif": _tiff,
        ".mha": _text_header,
        ".nrrd": _text_header,
    }
    return (damage_bytes if rng.random() < 0.4 else headers.get(ending, damage_bytes))(data, rng)


def _nifti(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        kind = rng.randrange(8)
        if kind < 4:
            struct.pack_into("<h", changed, rng.choice(_NIFTI_SHORTS), rng.choice(_SHORTS))
        elif kind < 7:
            struct.pack_into("<f", changed, rng.choice(_NIFTI_FLOATS), rng.choice(_FLOATS))
        else:
            place, value = rng.choice(
                ((0, b"\x00\x00\x01\x5c"), (0, b"\x1c\x02\x00\x00"), (344, b"ni1\0"), (344, b"xxxx"))
            )
            changed[place : place + 4] = value
    return bytes(changed)


def _gzipped(data: bytes, rng: Random) -> bytes:
    """Damage what is inside, or the frame: its checksum, a second member, a bomb of zeros after the voxels."""
    kind = rng.randrange(10)
    if kind == 0:
        return data[:-8] + rng.randbytes(8)
    if kind == 1:
        return data + rng.choice((b"\0" * 100, data, b"garbage"))
    if kind == 2:
        return gzip.compress(gzip.decompress(data) + bytes(400 << 20), 1)
    if kind == 3:
        return gzip.decompress(data)
    return gzip.compress(_nifti(gzip.decompress(data), rng), 1)


def _png(data: bytes, rng: Random) -> bytes:
    """Change a chunk of a PNG; most of the time its checksum is right."""
    chunks = _chunks(data)
    kind = rng.randrange(6)
    if kind < 3:
        head = bytearray(chunks[0][1])
        for _ in range(rng.choice((1, 2))):
            if rng.random() < 0.5:
                struct.pack_into(">I", head, rng.choice((0, 4)), rng.choice(_LONGS))
            else:
                head[rng.randrange(8, 13)] = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 255))
        chunks[0] = (b"IHDR", bytes(head))
    elif kind == 3:
        del chunks[rng.randrange(len(chunks))]
    elif kind == 4:
        name = rng.choice((b"tRNS", b"PLTE", b"IDAT", b"IEND", b"zTXt", b"IHDR", b"ABCD"))
        content = rng.choice((b"", rng.randbytes(7), b"a\0\0" + zlib.compress(bytes(100 << 20))))
        chunks.insert(rng.randrange(len(chunks)), (name, content))
    else:
        place = rng.randrange(len(chunks))
        chunks[place] = (chunks[place][0], damage_bytes(chunks[place][1] or b"\0", rng))
    wrong = rng.random() < 0.2
    return data[:8] + b"".join(_chunk(name, content, wrong=wrong) for name, content in chunks)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    return found


def _chunk(name: bytes, content: bytes, *, wrong: bool) -> bytes:
    checksum = zlib.crc32(name + content) ^ wrong
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _bmp(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    place, form = rng.choice(
        ((2, "I"), (10, "I"), (14, "I"), (18, "I"), (22, "I"), (26, "H"), (28, "H"), (30, "I"), (46, "I"))
    )
    value = rng.choice(_LONGS)
    struct.pack_into(f"<{form}", changed, place, value if form == "I" else value & 0xFFFF)
    return bytes(changed)


def _tiff(data: bytes, rng: Random) -> bytes:
    """Change tag, type, count or value of entries of the first page, or where that page is."""
    changed = bytearray(data)
    (page,) = struct.unpack_from("<I", data, 4)
    if rng.random() < 0.15:
        struct.pack_into("<I", changed, 4, rng.choice((*_LONGS, 4, page + 2)))
        return bytes(changed)
    (entries,) = struct.unpack_from("<H", data, page)
    for _ in range(rng.choice((1, 1, 2))):
        place = page + 2 + 12 * rng.randrange(entries)
        kind = rng.randrange(5)
        if kind == 0:
            struct.pack_into("<H", changed, place + 2, rng.choice((0, 1, 2, 3, 4, 5, 12, 16, 99)))
        elif kind == 1:
            struct.pack_into("<I", changed, place + 4, rng.choice(_LONGS))
        elif kind == 2:
            struct.pack_into(
                "<H", changed, place, rng.choice((256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 322, 339))
            )
        else:
            struct.pack_into("<I", changed, place + 8, rng.choice((*_LONGS, 8, 32, 64, 5, 34712, 50000)))
    return bytes(changed)


def _text_header(data: bytes, rng: Random) -> bytes:
    end = data.find(b"\n\n") if data.startswith(b"NRRD") else data.find(b"LOCAL")
    return damage_numbers(data, rng, within=max(end, 10))
