"""A cache of small arrays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

_SHARE = 64  # an array of more than 1/64 of the room would remove too many others


class RecentArrays:
    """A cache of arrays by key, which drops the least recently used ones. Threads can share it."""

    def __init__(self, room: int) -> None:
        """Create an empty cache for at most `room` bytes; a single array may take 1/64 of them."""
        self._room, self._taken = room, 0
        self._arrays: OrderedDict[Hashable, npt.NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Hashable) -> npt.NDArray[Any] | None:
        """Return the array of a key, or None if there is none."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
            return self._arrays.get(key)

    def keep(self, key: Hashable, array: npt.NDArray[Any]) -> None:
        """Store an array if it is small, and make it read-only."""
        if array.nbytes * _SHARE > self._room:
            return
        array.flags.writeable = False
        with self._lock:
            self._taken += array.nbytes - self._arrays.get(key, np.empty(0)).nbytes
            self._arrays[key] = array
            while self._taken > self._room:
                _, oldest = self._arrays.popitem(last=False)
                self._taken -= oldest.nbytes
