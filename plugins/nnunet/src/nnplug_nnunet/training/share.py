"""What is done beside training, as often as a share of the time allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Share:
    """Says when to do something again, so that it takes no more than a share of the time."""

    def __init__(self, share: float, *, expected: float = 0.0) -> None:
        """Begin to count.

        Args:
            share: of the time, above 0.
            expected: seconds that it takes, until it is known; 0 lets it be done at once.
        """
        self._share, self._took = share, expected
        self._done_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether enough time has passed since it was done."""
        return time.monotonic() - self._done_at >= self._took / self._share

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Do it inside the block."""
        started = time.monotonic()
        yield
        self._done_at = time.monotonic()
        self._took = self._done_at - started
