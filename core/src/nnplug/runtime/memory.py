"""How the C library's allocator treats the large blocks of a training step."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for its next allocation; say whether that could be arranged.

    glibc maps each large block anew and returns it to the kernel when it is freed. Training on a CPU, augmentation and
    preprocessing allocate the same blocks of megabytes again and again, and the kernel zeroes every page of them each
    time: about a tenth of a training step, more where threads wait for each other there. Kept instead, the memory of
    the process stays at its highest use. Only glibc has this switch; elsewhere nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
