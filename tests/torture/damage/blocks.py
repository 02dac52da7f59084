"""Damage to bytes, which any file may have."""

from __future__ import annotations

from random import Random


def damage_bytes(data: bytes, rng: Random) -> bytes:
    """Return bytes with one fault: cut, flipped, exchanged, inserted, removed, zeroed or replaced."""
    return rng.choice((_cut, _cut, _flip, _flip, _flip, _exchange, _insert, _remove, _zero, _other))(data, rng)


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.choice((0, 1, rng.randrange(len(data) + 1), rng.randrange(len(data) + 1), len(data) - 1))]


def _flip(data: bytes, rng: Random) -> bytes:
    """Flip a few bits, of the beginning more often than elsewhere."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20)) if data else 0):
        changed[rng.randrange(min(len(data), rng.choice((64, 400, len(data)))))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _exchange(data: bytes, rng: Random) -> bytes:
    first, second = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    size = min(second - first, len(data) - second, rng.choice((1, 4, 64, 4096)))
    one, other = data[first : first + size], data[second : second + size]
    return data[:first] + other + data[first + size : second] + one + data[second + size :]


def _insert(data: bytes, rng: Random) -> bytes:
    place, size = rng.randrange(len(data) + 1), rng.choice((1, 2, 7, 512))
    return data[:place] + rng.randbytes(size) + data[place:]


def _remove(data: bytes, rng: Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + data[place + rng.choice((1, 2, 7, 512)) :]


def _zero(data: bytes, rng: Random) -> bytes:
    """Replace a block by zeros, as a file system does after a crash."""
    place, size = rng.randrange(len(data) + 1), rng.choice((16, 512, 4096, len(data)))
    return data[:place] + bytes(len(data[place : place + size])) + data[place + size :]


def _other(data: bytes, rng: Random) -> bytes:
    """Replace the file by another one, as a proxy, Git LFS or a copy between systems does."""
    return rng.choice(
        (
            b"<!DOCTYPE html><html><body>404</body></html>\n",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
            b"\x1f\x8b\x08\x00" + bytes(40),
            b"PK\x05\x06" + bytes(18),
            b"PK\x03\x04" + bytes(60),
            rng.randbytes(2000),
            b"\n",
        )
    )
