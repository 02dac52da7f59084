"""The pace of a task that shows lines: how far it is, and the time that is left. Bars have rich's estimate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

SHOWN_AFTER = 1.0
"""Seconds: what takes less shows nothing."""


@dataclass
class Pace:
    """The progress of a task and the time that is left at the speed of this start.

    Attributes:
        total: items of the task.
        done: items finished, those of earlier starts included.
        clock: gives the time in seconds.
    """

    total: int
    done: int
    clock: Callable[[], float] = time.monotonic
    _already: int = field(init=False)
    _started: float = field(init=False)
    _latest: float = field(init=False)

    def __post_init__(self) -> None:
        """Start now; what an earlier start did says nothing about the speed of this one."""
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
    """A duration as people say it: "48 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
