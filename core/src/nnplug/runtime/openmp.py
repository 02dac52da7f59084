"""The OpenMP threads that PyTorch computes with on a CPU, if they are GNU's: those of PyPI's wheels for Linux."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Self

_MAPPED = Path("/proc/self/maps")
_REGION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class GnuOpenMP:
    """GNU's OpenMP library in this process.

    Each thread that computes in parallel has a team of its own, which exists until the thread ends.
    """

    def __init__(self, library: Path) -> None:
        """Use a library that the process has loaded."""
        self._parallel = ctypes.CDLL(str(library)).GOMP_parallel
        self._parallel.argtypes = (_REGION, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        self._parallel.restype = None

    @classmethod
    def find(cls) -> Self | None:
        """Return PyTorch's OpenMP library; None if it is not GNU's. Call it after `import torch`."""
        try:
            lines = [line.split(maxsplit=5) for line in _MAPPED.read_text().splitlines() if "libgomp" in line]
        except OSError:  # another system
            return None
        found = {words[5] for words in lines if len(words) > 5}
        ours = sorted(path for path in found if "/torch" in path) or sorted(found)
        return cls(Path(ours[0])) if len(ours) == 1 else None

    def team(self, size: int) -> frozenset[int]:
        """Return the native ids of the calling thread and of its team of `size` threads; start those that lack."""
        members: set[int] = set()
        region = _REGION(lambda _: members.add(threading.get_native_id()))
        self._parallel(region, None, size, 0)
        return frozenset(members)
