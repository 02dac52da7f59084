"""Write files that are either whole or absent: under a temporary name in the same folder, synced, then renamed."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from nnplug.errors import InvalidDescription, InvalidFile, NnplugError
from nnplug.runtime import output_log
from nnplug.runtime.json_text import parse_json

_LEFTOVER = re.compile(r"\.[0-9a-f]{8}-(.+)")  # the names that `_beside` gives


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


def give_default_permissions(file: Path) -> None:
    """Give a file the permissions of new files in its folder: libraries that write safetensors make it private.

    The permissions are those of a file that is made for a moment, since the umask cannot be read without setting it.

    Raises:
        OSError: the folder cannot be written.
    """
    probe = _beside(file)
    handle = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)
        probe.unlink()
    with suppress(PermissionError, NotImplementedError):  # file systems without permissions
        file.chmod(mode)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill. It replaces `path` when the block ends without an error.

    An older folder is renamed before it is removed, so that a kill leaves all of it, nothing or the new one.

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
            _put_in_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename a folder to `path`; an older folder there is restored if that fails, and else removed."""
    older = _set_aside(path) if path.exists() else None
    try:
        temporary.replace(path)
    except OSError:
        if older is not None:
            older.replace(path)
        raise
    _sync(path.parent)
    if older is not None:
        shutil.rmtree(older, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder if it exists. After a kill it is whole or absent: it is renamed first.

    Raises:
        NnplugError: it cannot be removed.
    """
    with explained(folder):
        if folder.exists():
            shutil.rmtree(_set_aside(folder))


def remove_leftovers(folder: Path, of: str = "") -> None:
    """Remove the temporary files and folders that killed processes left in a folder.

    Args:
        folder: the folder, in which no other process may write now.
        of: the name that they were to get; "" for any.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if (found := _LEFTOVER.fullmatch(path.name)) and of in ("", found[1]):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


def _set_aside(folder: Path) -> Path:
    """Give a folder a temporary name; raise `OSError` for a file or a link."""
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "it is a link to a folder")
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    return folder.replace(_beside(folder))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of the operating system while `path` is written into `NnplugError`s with a remedy."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        if (source := _source(error, path)) is not None:
            raise NnplugError(
                f"{source}: cannot be used ({reason}), so that {path} is not written. Check that it is there and that "
                "you may read it, then run the same command again."
            ) from error
        raise NnplugError(f"{path}: cannot be written ({reason}). {disk_remedy(error)}") from error


def _source(error: OSError, path: Path) -> Path | None:
    """Return the file of an error if it is another one than those that are written for `path`; else None."""
    if not isinstance(error.filename, str | os.PathLike):
        return None
    file = Path(error.filename)
    written = file in (path, *path.parents) or any(_is_for(one, path) for one in (file, *file.parents))
    return None if written else file


def _is_for(file: Path, path: Path) -> bool:
    """Return whether a file is `path` or has a temporary name for it."""
    found = _LEFTOVER.fullmatch(file.name)
    return file == path or (file.parent == path.parent and found is not None and found[1] == path.name)


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


_SHOWN = 40


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


_TIMES = {2: "twice"}


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


def _beside(path: Path) -> Path:
    """Return a name with a random part: on a shared disk, hosts may have processes with equal ids."""
    return path.with_name(f".{token_hex(4)}-{path.name}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_remedy(error: OSError) -> str:
    """Return a sentence that says what helps against an error of the operating system while a file is written."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "A file is where a folder should be; move it or choose another place."
    if isinstance(error, PermissionError):
        return "Choose a place that you may write to."
    if error.errno == errno.EROFS:
        return "Choose a place that is not read-only, or make this one writable, then run the same command again."
    if error.errno == errno.EDQUOT:
        return "Free some of the space that your quota counts or choose another place, then run the same command again."
    if error.errno == errno.EIO:
        return "The disk fails: check it or choose another place, then run the same command again."
    return "Free some space or choose another place, then run the same command again."
