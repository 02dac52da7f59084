"""The log of what nnplug has written into a folder that belongs to its user: a line per file, hidden beside the files.

A folder has a log from the first command on that claims files in it (`nnplug.runtime.outputs`). From then on
`nnplug.runtime.files.atomic_file` notes each file there before it takes its place, so that no kill leaves a file of
nnplug's that the log does not know.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nnplug.runtime.digests import sha256

LOG = ".nnplug-outputs.jsonl"


@dataclass(frozen=True)
class Written:
    """A file as nnplug has written it.

    Attributes:
        size: in bytes.
        mtime_ns: its time of change, in nanoseconds since 1970.
        sha256: of its bytes, hexadecimal.
    """

    size: int
    mtime_ns: int
    sha256: str


Entries = Mapping[str, tuple[Written, ...]]
"""Name of a file -> every version of it that nnplug has written."""


def begin(folder: Path) -> None:
    """Make the log of a folder where it is missing."""
    with suppress(FileExistsError):
        (folder / LOG).touch(exist_ok=False)


def note(path: Path, content: Path) -> None:
    """Append a line for `path`, which is about to be replaced by `content`; do nothing in a folder without a log.

    One write appends the whole line, under a lock where the file system has them, since several processes may write
    into one folder.
    """
    log = path.with_name(LOG)
    if not log.is_file():
        return
    stat = content.stat()
    entry = {"name": path.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256(content)}
    with _alone(log) as handle:
        os.write(handle, _separator(handle) + json.dumps(entry).encode() + b"\n")


def read(folder: Path) -> Entries:
    """Return what the log of a folder lists; a line that a kill cut short does not count."""
    log = folder / LOG
    found: dict[str, tuple[Written, ...]] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else ():
        if (entry := _entry(line)) is not None:
            name, written = entry
            found[name] = (*found.get(name, ()), written)
    return found


def is_one_of(path: Path, versions: tuple[Written, ...]) -> bool:
    """Return whether a file is one of these versions: of equal size and time, or, as in a copy, of equal content."""
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
    """Return a line's end where the last line has none, because a process was killed while it wrote it."""
    size = os.fstat(handle).st_size
    return b"" if size == 0 or os.pread(handle, 1, size - 1) == b"\n" else b"\n"


def _entry(line: str) -> tuple[str, Written] | None:
    try:
        entry = json.loads(line)
        return str(entry["name"]), Written(int(entry["size"]), int(entry["mtime_ns"]), str(entry["sha256"]))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
