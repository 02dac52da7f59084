"""Throttle for work beside training: it runs as often as a share of the time allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Throttle:
    """Decides when to repeat work, so that it takes no more than a share of the time."""

    def __init__(self, share: float, *, expected: float = 0.0) -> None:
        """Start the clock.

        Args:
            share: the largest share of the time, above 0.
            expected: the seconds that the work takes, until they are measured; with 0 it is due at once.
        """
        self._share, self._seconds = share, expected
        self._done_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Return whether enough time has passed since the work was last done."""
        return time.monotonic() - self._done_at >= self._seconds / self._share

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure the work, which is done inside the block."""
        started = time.monotonic()
        yield
        self._done_at = time.monotonic()
        self._seconds = self._done_at - started
