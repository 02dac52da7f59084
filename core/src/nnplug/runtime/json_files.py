"""Read and write JSON files; a fault names the file, and the line and column."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from nnplug.errors import InvalidDescription, InvalidFile
from nnplug.runtime.files import write_text
from nnplug.runtime.json_text import parse_json

_SHOWN = 40
_TIMES = {2: "twice"}


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically; NaN is written as `NaN`, as in nnU-Net's files."""
    write_text(path, json.dumps(data, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file in UTF-8, with or without a byte-order mark.

    Raises:
        InvalidFile: the file is missing, unreadable or not JSON; the message names the file, line and column.
    """
    return _parsed(path, dict)


def read_object(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file that holds an object.

    Raises:
        InvalidFile: as in `read_json`, or the file holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InvalidFile(f"{path}: expected an object {{..}}, got {_short(content)}")
    return content


def _short(content: Any) -> str:
    """Return a JSON value as text that fits in a line."""
    text = json.dumps(content)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}.."


def read_json_once(path: Path) -> Any:
    """Return the content of a JSON file in which no object has a key twice with different values.

    Raises:
        InvalidFile: as in `read_json`, or a key stands twice; the message names it and its object.
    """
    content = _parsed(path, _Object)
    if lines := [f"{path}: {line}" for line in _repeated(content, "")]:
        raise InvalidDescription(lines)
    return _plain(content)


def _plain(content: Any) -> Any:
    """Return JSON in dictionaries of Python, which checkpoints and other processes take."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    return [_plain(value) for value in content] if isinstance(content, list) else content


class _Object(dict[str, Any]):
    """A JSON object with the keys that stand in it more than once."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        listed = list(pairs)
        super().__init__(listed)
        values: dict[str, list[Any]] = {}
        for key, value in listed:
            values.setdefault(key, []).append(value)
        self.repeated = {key: found for key, found in values.items() if any(value != found[0] for value in found)}


def _repeated(content: Any, name: str) -> Iterator[str]:
    """Yield a line for each key that stands twice in an object."""
    if isinstance(content, _Object):
        for key, values in content.repeated.items():
            where = f" in {name!r}" if name else ""
            listed = " and ".join(map(repr, values))
            yield f"{key!r} stands {_TIMES.get(len(values), f'{len(values)} times')}{where} ({listed}); keep one"
    items = content.items() if isinstance(content, dict) else ()
    for key, value in items:
        yield from _repeated(value, key)


def _parsed(path: Path, make: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"), make)
    except FileNotFoundError as error:
        raise InvalidFile(f"{path}: no such file") from error
    except json.JSONDecodeError as error:
        raise InvalidFile(f"{path}: not valid JSON ({error.msg}, line {error.lineno} column {error.colno})") from error
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if path.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
        raise InvalidFile(f"{path}: is text in {encoding}; save it as UTF-8") from error
    except ValueError as error:
        raise InvalidFile(f"{path}: not valid JSON ({error})") from error
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be read ({error.strerror or error})") from error
