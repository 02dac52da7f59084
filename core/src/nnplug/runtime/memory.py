"""Settings of the C library's allocator for the large blocks of a training step."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_NEVER = 2**31 - 1

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for its next allocation; say whether that could be arranged.

    glibc maps each large block anew and returns it to the kernel when it is freed. Training on a CPU, augmentation and
    preprocessing allocate the same blocks of megabytes again and again, and the kernel zeroes every page of them each
    time: about a tenth of a training step, more where threads wait for each other there. Kept instead, the memory of
    the process stays at its highest use. Only glibc has this switch; elsewhere nothing changes.

    It is a switch of the whole process: see `nnplug.runtime.process.prepare_process`.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))


def spare_page_faults() -> None:
    """Make large blocks cheap without holding more of them: for commands that predict, before PyTorch is imported.

    Where Linux gives pages of 2 MB to those who ask, PyTorch is told to ask: the kernel is called once instead of 512
    times, and freed memory goes back. Elsewhere freed memory is kept. The environment of the whole process changes: see
    `nnplug.runtime.process.prepare_process`.
    """
    if _gives_huge_pages():
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    else:
        keep_freed_memory()


def _gives_huge_pages() -> bool:
    """The kernel's choice stands in brackets: always, [madvise] or never."""
    return _HUGE_PAGES.exists() and "[never]" not in _HUGE_PAGES.read_text()
