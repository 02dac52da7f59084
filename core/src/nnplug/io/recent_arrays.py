"""Arrays that were made last, as far as they are small."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

_SHARE = 64  # an array larger than this part of the room would drive out too many others


class RecentArrays:
    """Holds arrays by key and forgets those that were used longest ago. Safe for threads."""

    def __init__(self, room: int) -> None:
        """`room` is the bytes that all arrays may take together; one may take a 64th of it."""
        self._room, self._taken = room, 0
        self._arrays: OrderedDict[Hashable, npt.NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Hashable) -> npt.NDArray[Any] | None:
        """The array of a key, None where there is none."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
            return self._arrays.get(key)

    def keep(self, key: Hashable, array: npt.NDArray[Any]) -> None:
        """Hold an array if it is small; from now on nobody may change it."""
        if array.nbytes * _SHARE > self._room:
            return
        array.flags.writeable = False
        with self._lock:
            self._taken += array.nbytes - self._arrays.get(key, np.empty(0)).nbytes
            self._arrays[key] = array
            while self._taken > self._room:
                _, oldest = self._arrays.popitem(last=False)
                self._taken -= oldest.nbytes
