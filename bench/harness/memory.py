"""Memory of this process and of a command with all its workers; exact on Linux, the largest process alone elsewhere."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_RESET_PEAK = "5"


def begin_peak() -> int:
    """Forget this process' highest memory so far; gives the bytes that it holds now."""
    with suppress(OSError):
        (PROC / "self" / "clear_refs").write_text(_RESET_PEAK)
    return _status("VmRSS") or _largest(resource.RUSAGE_SELF)


def peak() -> int:
    """The most bytes that this process has held since `begin_peak`."""
    return _status("VmHWM") or _largest(resource.RUSAGE_SELF)


def tree_bytes(root: int) -> int:
    """What a process and its descendants hold now: memory that they share counts once."""
    own, shared = 0, 0
    for process in _tree(root):
        with suppress(OSError, ValueError, IndexError):
            resident, common = (int(word) for word in (PROC / str(process) / "statm").read_text().split()[1:3])
            own += resident - common
            shared = max(shared, common)
    return (own + shared) * os.sysconf("SC_PAGE_SIZE")


def bytes_of(usage: resource.struct_rusage) -> int:
    """The largest process of a `wait4`; macOS counts bytes, Linux KiB."""
    return usage.ru_maxrss if sys.platform == "darwin" else 1024 * usage.ru_maxrss


def _largest(who: int) -> int:
    return bytes_of(resource.getrusage(who))


def _tree(root: int) -> Iterator[int]:
    yield root
    with suppress(OSError):
        for children in list((PROC / str(root) / "task").glob("*/children")):
            for child in children.read_text().split():
                yield from _tree(int(child))


def _status(key: str) -> int | None:
    with suppress(OSError):
        for line in (PROC / "self" / "status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return 1024 * int(line.split()[1])
    return None
