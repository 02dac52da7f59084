"""Record every state of a folder that a killed process could leave.

A kill leaves only the files in their present state. So the kit kills no process: it runs a training once, records each
different state of its folder, and starts a new training from each. This does not depend on the trainer's reports. No
`finally` block of the trainer has run in these states, as after SIGKILL.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

OPENED = ("open", "close", "__exit__", "write", "writelines", "flush", "fsync", "truncate", "ftruncate", "tofile")
MOVED = ("replace", "rename", "renames", "link", "symlink", "unlink", "remove", "rmdir", "mkdir", "serialize_file")
CALLS = frozenset((*OPENED, *MOVED))
"""Names of C functions and methods that change files; the folder is read before and after each."""
MOST = 12
"""The largest number of states from which a training resumes."""

Contents = Mapping[str, bytes]
"""Path inside the folder -> the file's bytes."""


@dataclass(frozen=True)
class _Look:
    contents: Contents
    inodes: Mapping[str, int]


class FolderWatch:
    """A recorder of the states of a folder while a block runs, also in threads that the block starts."""

    def __init__(self, folder: Path) -> None:
        """Record an existing folder; `states` gets its states inside `watching`."""
        self.folder = folder
        self.states: list[Contents] = []
        self._last = _Look({}, {})
        self._lock = threading.Lock()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record states while the block runs. A profile function of this process is restored afterwards."""
        before, before_threads = sys.getprofile(), threading.getprofile()
        threading.setprofile(self._event)
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(before)
            threading.setprofile(before_threads)
            self._look()

    def _event(self, frame: FrameType, event: str, arg: Any) -> None:  # noqa: ARG002 - the signature of sys.setprofile
        if event in ("c_call", "c_return") and arg.__name__ in CALLS:
            self._look()

    def _look(self) -> None:
        with self._lock:
            now, last = _read(self.folder), self._last
            if now.contents != last.contents:
                self._keep([*_torn(last, now), now.contents])
            self._last = now

    def _keep(self, found: list[Contents]) -> None:
        """Store new states. Hidden files, which `atomic_file` writes, do not make a state different."""
        for contents in found:
            visible = {name: data for name, data in contents.items() if not Path(name).name.startswith(".")}
            if visible not in self.states:
                self.states.append(visible)


def spread(states: list[Contents], most: int = MOST) -> list[Contents]:
    """Return at most `most` of the states, evenly spread, the first and the last among them."""
    if len(states) <= most:
        return states
    return [states[round(i * (len(states) - 1) / (most - 1))] for i in range(most)]


def restore(contents: Contents, folder: Path) -> None:
    """Write a state of a folder into another, which may be absent."""
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _read(folder: Path) -> _Look:
    contents, inodes = {}, {}
    for path in sorted(folder.rglob("*")):
        with suppress(OSError):  # deleted by another thread since it was listed
            if path.is_file():
                name = str(path.relative_to(folder))
                inodes[name], contents[name] = path.stat().st_ino, path.read_bytes()
    return _Look(contents, inodes)


def _torn(last: _Look, now: _Look) -> Iterator[Contents]:
    """Yield the states between two reads of the folder: a file that was not renamed into place is half written."""
    renamed = {(last.inodes[name], data) for name, data in last.contents.items()}
    for name, data in now.contents.items():
        before = last.contents.get(name, b"")
        if data != before and (now.inodes[name], data) not in renamed:
            kept = len(before) if data.startswith(before) else 0
            yield {**now.contents, name: data[: (kept + len(data)) // 2]}
