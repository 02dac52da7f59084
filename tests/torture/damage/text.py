"""Damage to text: JSON, JSON lines, tables and headers of images."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, -(10**400), 0.5, 1e308, -1e-320),
    *(float("nan"), float("inf"), float("-inf"), "", "0", "nan", "\ud800", "é\u0000", "../../etc/passwd", "x" * 10_000),
    *([], {}, [[]], [None], {"": None}, [1, 2, 3], [0, 0, 0], [-1, 1, 1], [1e30] * 3, {"0": 1}, ["a", 1]),
)
"""Values that no writer of ours makes where they are put."""

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_ODD_NUMBERS = (b"0", b"-1", b"1e999", b"nan", b"99999999999", b"4294967296", b"65535", b"3.5", b"", b"x", b"1 2")

Damage = Callable[[bytes, Random], bytes]


def damage_json(data: bytes, rng: Random) -> bytes:
    """Return a JSON text with one fault: in a value, a key, the nesting, the encoding or the grammar."""
    return rng.choice(_JSON)(data, rng)


def damage_json_lines(data: bytes, rng: Random) -> bytes:
    """Return JSON lines with a fault in one of them, or with a line that is repeated, removed or empty."""
    lines = data.splitlines(keepends=True) or [b"\n"]
    place = rng.randrange(len(lines))
    kind = rng.randrange(5)
    if kind == 0:
        lines.insert(place, lines[rng.randrange(len(lines))])
    elif kind == 1:
        del lines[place]
    elif kind == 2:
        lines.insert(place, rng.choice((b"\n", b"\x00" * 40 + b"\n", b"null\n", b"[]\n", b"{}\n", b"{\n")))
    else:
        lines[place] = damage_json(lines[place].strip() or b"{}", rng).replace(b"\n", b" ") + b"\n"
    return b"".join(lines)


def damage_table(data: bytes, rng: Random) -> bytes:
    """Return a table with another separator, cells, quotes or encoding."""
    kind = rng.randrange(6)
    if kind == 0:
        return data.replace(b",", rng.choice((b";", b"\t", b",,", b"")))
    if kind == 1:
        return data.replace(b"\n", rng.choice((b"\r", b'\n"', b"\n\n", b"\x00\n")), 2)
    if kind == 2:
        return data.decode().encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))
    lines = data.splitlines()
    place = rng.randrange(len(lines))
    lines[place] = rng.choice((b"", b",", lines[0], b"a,b,c,d", lines[place] + b",\xff", b'"' + lines[place]))
    return b"\n".join(lines) + b"\n"


def damage_numbers(data: bytes, rng: Random, *, within: int) -> bytes:
    """Return data in which one number among the first bytes is another, or one line is missing or doubled.

    Args:
        data: a file with a text header.
        rng: draws the fault.
        within: the length of the header, bytes.
    """
    head, rest = data[:within], data[within:]
    if rng.random() < 0.3:
        lines = head.splitlines(keepends=True)
        place = rng.randrange(len(lines))
        lines[place : place + 1] = rng.choice(([], [lines[place]] * 2, [lines[place].replace(b" ", b"\t\xff")]))
        return b"".join(lines) + rest
    found = list(_NUMBER.finditer(head))
    if not found:
        return head[: rng.randrange(len(head) + 1)] + rest
    one = rng.choice(found)
    return head[: one.start()] + rng.choice(_ODD_NUMBERS) + head[one.end() :] + rest


def _value(data: bytes, rng: Random) -> bytes:
    """Replace one value."""
    content = json.loads(data)
    places = list(_places(content))
    if not places:
        return json.dumps(rng.choice(ODD)).encode()
    holder, key = rng.choice(places)
    holder[key] = rng.choice(ODD)
    return json.dumps(content).encode()


def _similar(data: bytes, rng: Random) -> bytes:
    """Replace a value by one that is nearly right: another number, a longer list, a string in upper case."""
    content = json.loads(data)
    places = list(_places(content))
    if not places:
        return data
    holder, key = rng.choice(places)
    old = holder[key]
    if isinstance(old, bool) or old is None:
        holder[key] = not old
    elif isinstance(old, (int, float)):
        holder[key] = rng.choice((old + 1, -old, old * 1000, str(old), [old], float(old) + 0.25))
    elif isinstance(old, str):
        holder[key] = rng.choice((old.upper(), old + " ", old[::-1], [old], f"{old}\n"))
    elif isinstance(old, list):
        holder[key] = rng.choice((old[:-1], old + old, old[::-1], dict(enumerate(old))))
    else:
        holder[key] = list(old)
    return json.dumps(content).encode()


def _key(data: bytes, rng: Random) -> bytes:
    """Remove, rename or add a key."""
    content = json.loads(data)
    objects = [one for one in _containers(content) if isinstance(one, dict) and one]
    if not objects:
        return b"{}"
    one = rng.choice(objects)
    name = rng.choice(list(one))
    value = one.pop(name)
    if (new := rng.choice((None, name.upper(), name[:-1], f"{name} ", "\ud800", ""))) is not None:
        one[new] = value
    return json.dumps(content).encode()


def _twice(data: bytes, rng: Random) -> bytes:
    """Write a key a second time, with another value."""
    found = list(re.finditer(rb'"([^"\\]*)"\s*:', data))
    if not found:
        return data + data
    one = rng.choice(found)
    return data[: one.start()] + one.group(0) + json.dumps(rng.choice(ODD[:20])).encode() + b"," + data[one.start() :]


def _deep(data: bytes, rng: Random) -> bytes:
    """Nest arrays deeper than a parser's stack."""
    depth = rng.choice((900, 5_000, 200_000))
    nested = b"[" * depth + b"]" * depth
    found = list(re.finditer(rb":\s*(\d+|\"[^\"]*\")", data))
    if not found or rng.random() < 0.3:
        return nested
    one = rng.choice(found)
    return data[: one.start(1)] + nested + data[one.end(1) :]


def _encoded(data: bytes, rng: Random) -> bytes:
    """Write the text in another encoding, with a mark of byte order, or with bytes that are no text."""
    kind = rng.randrange(4)
    if kind == 0:
        return data.decode().encode(rng.choice(("utf-16", "utf-32", "utf-16-le")))
    if kind == 1:
        return b"\xef\xbb\xbf" + data
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice((b"\xff\xfe", b"\xe9", b"\x00", b"\xed\xa0\x80")) + data[place:]


def _grammar(data: bytes, rng: Random) -> bytes:
    """Break the grammar in a way that people do."""
    kind = rng.randrange(6)
    if kind == 0:
        return data.replace(b'"', b"'")
    if kind == 1:
        return re.sub(rb"([}\]])", rb",\1", data, count=1)
    if kind == 2:
        return b"// a comment\n" + data
    if kind == 3:
        return data + rng.choice((b"}", b"\n{}", b"x", b"\x00"))
    if kind == 4:
        return rng.choice((b"", b" ", b"null", b"[]", b"{}", b"0", b'""', b"NaN", b"[1", b"1" * 5000, b"-"))
    return data[: rng.randrange(len(data))]


_JSON: tuple[Damage, ...] = (_value, _value, _value, _similar, _similar, _key, _key, _twice, _deep, _encoded, _grammar)


def _containers(content: Any) -> list[Any]:
    if isinstance(content, dict):
        return [content, *(found for value in content.values() for found in _containers(value))]
    if isinstance(content, list):
        return [content, *(found for value in content for found in _containers(value))]
    return []


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Return every place of a value: its object or array, and its key or index."""
    return [
        (one, key) for one in _containers(content) for key in (list(one) if isinstance(one, dict) else range(len(one)))
    ]
