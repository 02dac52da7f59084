"""The log of the files that nnplug has written into a folder of the user: a hidden file with one line per file.

The first command that claims files in a folder (`nnplug.runtime.outputs`) creates the log. From then on
`nnplug.runtime.files.atomic_file` notes each file there before the file gets its final name, so that no kill leaves a
file of nnplug that is not in the log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nnplug.runtime.digests import sha256
from nnplug.runtime.json_text import parse_json

LOG = ".nnplug-outputs.jsonl"


@dataclass(frozen=True)
class Written:
    """One version of a file that nnplug has written.

    Attributes:
        size: bytes.
        mtime_ns: the time of change, in nanoseconds since 1970.
        sha256: the SHA-256 of the content, in hexadecimal digits.
    """

    size: int
    mtime_ns: int
    sha256: str


Entries = Mapping[str, tuple[Written, ...]]
"""Path of a file in the folder of the log -> every version of it that nnplug has written."""


class Logs:
    """The logs of several folders, each read once."""

    def __init__(self) -> None:
        self._read: dict[Path, Entries] = {}

    def of(self, path: Path) -> tuple[Written, ...]:
        """Return every version of a file that nnplug has written, from the log of its folder or of one above."""
        folder = next((folder for folder in path.parents if (folder / LOG).is_file()), path.parent)
        if folder not in self._read:
            self._read[folder] = read(folder)
        return self._read[folder].get(path.relative_to(folder).as_posix(), ())


def begin(folder: Path) -> None:
    """Create the log of a folder if it is missing."""
    with suppress(FileExistsError):
        (folder / LOG).touch(exist_ok=False)


def begin_inside(folder: Path, inside: Path) -> None:
    """Have the log of a folder list the files of a folder in it, which then needs no log of its own.

    Datasets of other programs consist of many folders, in which every further file is one too many.
    """
    if inside == folder:
        return
    name = inside.relative_to(folder).as_posix()
    if name not in _folders(folder):
        _append(folder / LOG, {"folder": name})


def note(path: Path, content: Path) -> None:
    """Append a line for `path`, which `content` is about to replace. In a folder without a log, do nothing.

    Several processes may write into one folder: the whole line is appended in one write, under a lock if the file
    system has locks.
    """
    folder = next((folder for folder in path.parents if (folder / LOG).is_file()), None)
    if folder is None or (folder != path.parent and path.parent.relative_to(folder).as_posix() not in _folders(folder)):
        return
    stat, name = content.stat(), path.relative_to(folder).as_posix()
    digest = sha256(content)
    _append(folder / LOG, {"name": name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest})


def _folders(folder: Path) -> set[str]:
    """Return the folders in a folder whose files its log lists, as relative paths."""
    found = set()
    for line in (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError, TypeError, AttributeError):
            found.add(str(parse_json(line).get("folder", "")))
    return found


def _append(log: Path, entry: Mapping[str, object]) -> None:
    append_line(log, json.dumps(entry))


def append_line(log: Path, line: str) -> None:
    """Append a line to a log to which several processes may append; a line that was cut short before is ended first.

    Raises:
        OSError: the line is not written, or only its beginning, because the disk is full.
    """
    with _alone(log) as handle:
        left = _separator(handle) + line.encode() + b"\n"
        while left:  # a disk that is nearly full takes a part without an error
            left = left[os.write(handle, left) :]


def read(folder: Path) -> Entries:
    """Return the entries in the log of a folder; a line that a kill cut short is left out."""
    log = folder / LOG
    found: dict[str, tuple[Written, ...]] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else ():
        if (entry := _entry(line)) is not None:
            name, written = entry
            found[name] = (*found.get(name, ()), written)
    return found


def is_one_of(path: Path, versions: tuple[Written, ...]) -> bool:
    """Return whether a file is one of these versions: equal in size and time, or (a copy) in size and content."""
    stat = path.stat()
    alike = [version for version in versions if version.size == stat.st_size]
    if any(version.mtime_ns == stat.st_mtime_ns for version in alike):
        return True
    return bool(alike) and sha256(path) in {version.sha256 for version in alike}


@contextmanager
def _alone(log: Path) -> Iterator[int]:
    handle = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        with suppress(ImportError, OSError):  # a platform or file system without locks
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _separator(handle: int) -> bytes:
    """Return a line end if the last line has none because its process was killed, else nothing."""
    size = os.fstat(handle).st_size
    return b"" if size == 0 or os.pread(handle, 1, size - 1) == b"\n" else b"\n"


def _entry(line: str) -> tuple[str, Written] | None:
    try:
        entry = parse_json(line)
        return str(entry["name"]), Written(int(entry["size"]), int(entry["mtime_ns"]), str(entry["sha256"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
