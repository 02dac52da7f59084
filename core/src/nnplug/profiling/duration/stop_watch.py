"""A progress that notes the time of every step of a training, and ends the training when the time is up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from nnplug.errors import NnplugError
from nnplug.runtime.progress import Advance, Silent

_FEWEST = 3  # steps; the first one warms up


class TimeIsUp(NnplugError):
    """The error that ends a measured training; as one of a user it passes a trainer unchanged."""


class StopWatch(Silent):
    """A silent progress.

    Attributes:
        is_stopped: whether it has ended the training.
    """

    def __init__(self, ends: float) -> None:
        """Take the time of `time.monotonic` at which to end the training, but not before its third step."""
        self.is_stopped = False
        self._ends, self._total, self._times = ends, 1, list[float]()

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:  # noqa: ARG002 - the protocol's
        """See `nnplug.runtime.progress.Progress.task`."""
        self._total, self._times = total, []

        def advance(_: str) -> None:
            self._times.append(time.monotonic())
            if self._times[-1] >= self._ends and len(self._times) >= min(_FEWEST, total):
                self.is_stopped = True
                raise TimeIsUp("the time to measure a training is up")

        yield advance

    def seconds(self, iterations: int) -> float:
        """Return the median seconds of an iteration after the first step, for a task of this number of iterations."""
        steps = [later - earlier for earlier, later in zip(self._times, self._times[1:], strict=False)]
        return median(steps) * self._total / iterations
