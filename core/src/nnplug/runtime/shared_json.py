"""Change a JSON file that several processes share, such as a table to which each job of a prediction adds its cases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnplug.errors import InvalidFile
from nnplug.runtime.json_files import read_object, write_json
from nnplug.runtime.lock import locked

_PATIENCE = 600.0
"""Seconds to wait: another process holds the lock while it hashes the label maps of its folder."""


@contextmanager
def shared_object(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the object in a JSON file, to change it; it is written when the block ends without an error.

    Other processes wait until then. Their lock is a hidden file beside `path`, which stays there.

    Raises:
        NnplugError: the file cannot be written, or another process holds the lock for ten minutes.
    """
    with locked(path.with_name(f".{path.name}.lock"), what=str(path), patience=_PATIENCE):
        content = object_or_empty(path)
        yield content
        write_json(path, content)


def object_or_empty(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an empty one if the file is missing, damaged or holds something else."""
    try:
        return read_object(path)
    except InvalidFile:
        return {}
