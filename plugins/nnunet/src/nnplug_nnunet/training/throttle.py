"""Throttle for work beside training: it runs as often as a share of the time allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Throttle:
    """A timer that limits repeated work to a share of the time."""

    def __init__(self, share: float, *, expected: float = 0.0) -> None:
        """Start the clock.

        Args:
            share: the largest share of the time, above 0.
            expected: assumed seconds of the work before the first measurement; with 0 the work is due at once.
        """
        self._share, self._seconds = share, expected
        self._done_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Return whether enough time has passed since the work was last done."""
        return time.monotonic() - self._done_at >= self._seconds / self._share

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure the seconds of the work inside the block."""
        started = time.monotonic()
        yield
        self._done_at = time.monotonic()
        self._seconds = self._done_at - started
