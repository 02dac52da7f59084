"""The pace of a task that prints lines: its progress and remaining time. Bars use rich's estimate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

SHOWN_AFTER = 1.0
"""Seconds; shorter tasks show nothing."""
_DAYS_FROM = 48  # hours


@dataclass
class Pace:
    """The progress of a task, and the remaining time at the speed since this start.

    Attributes:
        total: items of the task.
        done: finished items, including those of earlier starts.
        clock: returns the time in seconds.
    """

    total: int
    done: int
    clock: Callable[[], float] = time.monotonic
    _already: int = field(init=False)
    _started: float = field(init=False)
    _latest: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock; items of earlier starts do not count for the speed."""
        self._already = self.done
        self._started = self._latest = self.clock()

    def advance(self) -> None:
        """Count one more finished item."""
        self.done += 1
        self._latest = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since this start."""
        return self.clock() - self._started

    @property
    def remaining(self) -> float | None:
        """Seconds to the end at the mean speed so far; None before the first item is finished."""
        finished = self.done - self._already
        if not finished:
            return None
        per_item = (self._latest - self._started) / finished
        return max(per_item * (self.total - self.done) - (self.clock() - self._latest), 0.0)


def duration(seconds: float) -> str:
    """Return a duration in words: "48 s", "3 min 20 s", "2 h 05 min", "9 d 04 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < _DAYS_FROM else f"{hours // 24} d {hours % 24:02d} h"
