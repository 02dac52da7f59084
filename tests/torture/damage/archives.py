"""Damage to archives and to weights: zips, arrays of numpy, safetensors and checkpoints."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.torture.damage.blocks import damage_bytes
from tests.torture.damage.text import damage_json, damage_numbers

BOMB = 600 << 20
"""The size of a member that is only zeros, bytes; it takes some hundred kilobytes in the archive."""


def damage_zip(data: bytes, rng: Random) -> bytes:
    """Return a zip with one fault: in its bytes, in a member, in a member's name, or with a bomb or a link in it."""
    if rng.random() < 0.3:
        return damage_bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    place = rng.randrange(len(members))
    info, content = members[place]
    kind = rng.randrange(8)
    if kind == 0:
        members.append(
            (_renamed(info, rng.choice(("../outside", "/tmp/outside", "a/../../outside", "c:\\outside"))), b"x")
        )
    elif kind == 1:
        link = _renamed(info, "link")
        link.external_attr = 0o120777 << 16
        members.append((link, b"/etc/passwd"))
    elif kind == 2:
        del members[place]
    elif kind == 3:
        members.append((info, damage_member(info.filename, content, rng)))
    elif kind == 4:
        bomb = _renamed(info, info.filename)
        bomb.compress_type = zipfile.ZIP_DEFLATED
        members[place] = (bomb, bytes(BOMB))
    elif kind == 5:
        members[place] = (_renamed(info, rng.choice((info.filename.upper(), f"x/{info.filename}", "é\0", ""))), content)
    else:
        members[place] = (info, damage_member(info.filename, content, rng))
    return _zipped(members)


def damage_member(name: str, data: bytes, rng: Random) -> bytes:
    """Return the content of a member with a fault of its format."""
    if name.endswith(".json"):
        return damage_json(data, rng)
    if name.endswith(".safetensors"):
        return damage_safetensors(data, rng)
    return damage_npy(data, rng) if name.endswith(".npy") else damage_bytes(data, rng)


def damage_npy(data: bytes, rng: Random) -> bytes:
    """Return an array of numpy with another header, or damaged bytes."""
    if rng.random() < 0.5:
        return damage_bytes(data, rng)
    if rng.random() < 0.3:
        other = rng.choice((b"'|O'", b"'<f8'", b"'<i2'", b"'<c8'", b"'<U9'", b"'|V4'", b"[('a', '<f4')]"))
        start = data.find(b"'descr': ") + 9
        return data[:start] + other + data[data.find(b",", start) :]
    return damage_numbers(data[:10], rng, within=10) + data[10:] if rng.random() < 0.1 else _padded(data, rng)


def _padded(data: bytes, rng: Random) -> bytes:
    """Change a number of the header and keep its length, so that the rest is read as its author meant it."""
    (size,) = struct.unpack_from("<H", data, 8)
    head = damage_numbers(data[10 : 10 + size].rstrip(), rng, within=size)
    return data[:10] + head.ljust(size - 1)[: size - 1] + b"\n" + data[10 + size :]


def damage_safetensors(data: bytes, rng: Random) -> bytes:
    """Return weights with another header, or damaged bytes, or numbers that are not finite."""
    kind = rng.randrange(6)
    if kind < 2 or len(data) < 9:
        return damage_bytes(data, rng)
    (size,) = struct.unpack_from("<Q", data)
    head, rest = data[8 : 8 + size], data[8 + size :]
    if kind == 2:
        return struct.pack("<Q", rng.choice((0, 1, size - 1, 2**40, 2**63 + 1, 2**64 - 1))) + data[8:]
    if kind == 3:
        names = list(json.loads(head))
        changed = json.loads(head)
        one = rng.choice(names)
        fields = changed.pop(one)
        if rng.random() < 0.7 and isinstance(fields, dict) and "dtype" in fields:
            key, value = rng.choice(
                (
                    ("dtype", "F16"),
                    ("dtype", "I64"),
                    ("dtype", "X"),
                    ("shape", [1]),
                    ("shape", [2**40]),
                    ("data_offsets", [0, 4]),
                )
            )
            changed[one] = {**fields, key: value}
        new = json.dumps(changed).encode()
    elif kind == 4:
        new = damage_json(head, rng)
    else:
        place = 4 * rng.randrange(max(1, len(rest) // 4))
        return (
            data[: 8 + size]
            + rest[:place]
            + struct.pack("<f", rng.choice((float("nan"), float("inf"), 1e38)))
            + rest[place + 4 :]
        )
    return struct.pack("<Q", len(new)) + new + rest


@dataclass(frozen=True)
class Intruder:
    """An object whose unpickling runs a call.

    Attributes:
        call: the function and its arguments.
    """

    call: tuple[Callable[..., object], tuple[object, ...]]

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Return the call that a careless reader runs."""
        return self.call


def damage_checkpoint(data: bytes, rng: Random) -> bytes:
    """Return a checkpoint of PyTorch with one fault, or one that creates the file INTRUDED when it is trusted."""
    kind = rng.randrange(4)
    if kind == 0:
        return damage_bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    place = next(number for number, (info, _) in enumerate(members) if info.filename.endswith("data.pkl"))
    info, content = members[place]
    if kind == 1:
        return damage_zip(data, rng)
    if kind == 2:
        members[place] = (info, pickle.dumps(Intruder((open, ("INTRUDED", "w"))), protocol=2))
    else:
        members[place] = (info, damage_bytes(content, rng))
    return _zipped(members)


def _renamed(info: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    new = zipfile.ZipInfo("x")
    new.filename = name
    new.compress_type = info.compress_type
    return new


def _zipped(members: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for info, content in members:
            archive.writestr(info, content)
    return file.getvalue()
