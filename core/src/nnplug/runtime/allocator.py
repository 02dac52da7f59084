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
    """Set the allocator to keep freed memory for the next allocation; return whether the allocator accepted it.

    glibc maps each large block anew and returns it to the kernel when it is freed. Training on a CPU, augmentation and
    preprocessing allocate the same blocks of several MB again and again, and each time the kernel fills every page of
    them with zeros. This takes about a tenth of a training step, and more if threads wait for each other in the kernel.
    With this setting the memory of the process stays at its highest use. Only glibc has it; elsewhere nothing changes.

    The setting affects the whole process: see `nnplug.runtime.process.prepare_process`.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))


def spare_page_faults() -> None:
    """Reduce the page faults of large allocations, for commands that predict. Call it before PyTorch is imported.

    If Linux offers pages of 2 MB, PyTorch is set to request them: one call of the kernel replaces 512, and freed memory
    goes back to the system. Elsewhere freed memory is kept (`keep_freed_memory`). The setting affects the environment
    of the whole process: see `nnplug.runtime.process.prepare_process`.
    """
    if _gives_huge_pages():
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    else:
        keep_freed_memory()


def _gives_huge_pages() -> bool:
    """Return whether the kernel offers huge pages. Its file has the choice in brackets: always [madvise] never."""
    return _HUGE_PAGES.exists() and "[never]" not in _HUGE_PAGES.read_text()
