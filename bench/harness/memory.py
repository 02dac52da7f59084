"""Memory of this process and of a command with all its workers; exact on Linux, the largest process alone elsewhere."""

from __future__ import annotations

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
    """Return the memory of a process and its descendants; memory that forks share counts once."""
    return sum(_proportional(process) for process in _tree(root))


def _proportional(process: int) -> int:
    """A process' proportional set size: of a page that n processes share, an nth."""
    with suppress(OSError):
        for line in (PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    return 0


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
