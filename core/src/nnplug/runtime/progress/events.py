"""Progress across processes: what a job reports in one of them is shown by another.

The job is given a `Sender`; whatever carries its events (a pipe, a cluster's messages) hands them to a `Receiver`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any

from nnplug.runtime.progress import Advance, Progress

Event = Sequence[Any]
"""A word and plain values: ("begin", number, title, total, done), ("advance", number, steps, latest), ("end", number),
("notice", message) or ("warning", message)."""

TELL_EVERY = 0.5
"""Seconds between two events of one task."""


class Sender(Progress):
    """A `Progress` that makes events of what it is told; steps that follow each other fast share one."""

    def __init__(self, send: Callable[[Event], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Send events by `send`; the time in seconds comes from `clock`."""
        self._send, self._clock = send, clock
        self._numbers = count()

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
        """See `Progress.task`."""
        number, told = next(self._numbers), self._clock()
        steps, latest = 0, ""
        self._send(("begin", number, title, total, done))

        def advance(text: str) -> None:
            nonlocal told, steps, latest
            steps, latest = steps + 1, text
            if self._clock() - told >= TELL_EVERY:
                self._send(("advance", number, steps, latest))
                told, steps = self._clock(), 0

        try:
            yield advance
        finally:
            if steps:
                self._send(("advance", number, steps, latest))
            self._send(("end", number))

    def notice(self, message: str) -> None:
        """See `Progress.notice`."""
        self._send(("notice", message))

    def warning(self, message: str) -> None:
        """See `Progress.warning`."""
        self._send(("warning", message))


class Receiver:
    """Tells a `Progress` what senders send. Events may come from any thread."""

    def __init__(self, progress: Progress) -> None:
        """Report to `progress`."""
        self._progress = progress
        self._open: dict[tuple[Hashable, int], tuple[AbstractContextManager[Advance], Advance]] = {}
        self._lock = threading.Lock()

    def receive(self, source: Hashable, event: Event) -> None:
        """Tell what an event says.

        Args:
            source: which job it comes from; a job that is begun again begins its tasks again too.
            event: as `Sender` made it.
        """
        word, *values = event
        with self._lock:
            if word == "begin":
                self._begin(source, *values)
            elif word == "advance":
                self._advance(source, *values)
            elif word == "end":
                self._end((source, values[0]))
            elif word == "notice":
                self._progress.notice(*values)
            else:
                self._progress.warning(*values)

    def close(self) -> None:
        """End the tasks of jobs that did not come to do so."""
        with self._lock:
            for key in list(self._open):
                self._end(key)

    def _begin(self, source: Hashable, number: int, title: str, total: int, done: int) -> None:
        self._end((source, number))
        context = self._progress.task(title, total, done=done)
        self._open[source, number] = (context, context.__enter__())

    def _advance(self, source: Hashable, number: int, steps: int, latest: str) -> None:
        if opened := self._open.get((source, number)):
            for _ in range(steps):
                opened[1](latest)

    def _end(self, key: tuple[Hashable, int]) -> None:
        if opened := self._open.pop(key, None):
            opened[0].__exit__(None, None, None)
