"""Write files that are either whole or absent: under a temporary name in the same folder, synced, then renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from nnplug.errors import InvalidFile, NnplugError
from nnplug.runtime import output_log


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block ends without an error; its name ends as `path` does.

    If the folder has a log (`nnplug.runtime.output_log`), the file is noted there.

    Raises:
        NnplugError: the disk is full or the folder cannot be written; the temporary file is removed.
    """
    temporary = _beside(path)
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _sync(temporary)
            output_log.note(path, temporary)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill. It replaces `path` when the block ends without an error.

    Raises:
        NnplugError: the disk is full or the folder cannot be written; the temporary folder is removed.
    """
    temporary = _beside(path)
    try:
        with explained(path):
            temporary.mkdir(parents=True)
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync(file)
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of the operating system while `path` is written into `NnplugError`s with a remedy."""
    try:
        yield
    except OSError as error:
        raise NnplugError(f"{path}: cannot be written ({error.strerror or error}). {_remedy(error)}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def copy_file(source: Path, target: Path) -> None:
    """Copy a file and its time of change, atomically."""
    with atomic_file(target) as temporary:
        shutil.copy2(source, temporary)


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically; NaN is written as `NaN`, as in nnU-Net's files."""
    write_text(path, json.dumps(data, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        InvalidFile: the file is missing, unreadable or not JSON; the message names the file, line and column.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidFile(f"{path}: no such file") from error
    except json.JSONDecodeError as error:
        raise InvalidFile(f"{path}: not valid JSON ({error.msg}, line {error.lineno} column {error.colno})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _beside(path: Path) -> Path:
    """Return a name with a random part: on a shared disk, hosts may have processes with equal ids."""
    return path.with_name(f".{token_hex(4)}-{path.name}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remedy(error: OSError) -> str:
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "A file is where a folder should be; move it or choose another place."
    if isinstance(error, PermissionError):
        return "Choose a place that you may write to."
    return "Free some space or choose another place, then run the same command again."
