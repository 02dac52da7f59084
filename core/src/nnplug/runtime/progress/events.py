"""Progress across processes: one process shows the progress of a job that runs in another.

The job reports to a `Sender`. A pipe or the messages of a cluster carry its events to a `Receiver`.
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
"""A word and values: ("begin", number, title, total, done), ("advance", number, steps, latest), ("end", number),
("notice", message) or ("warning", message)."""

TELL_EVERY = 0.5
"""Seconds between two events of one task."""


class Sender(Progress):
    """A `Progress` that sends events. Steps within `TELL_EVERY` seconds share one event."""

    def __init__(self, send: Callable[[Event], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Send events with `send`; `clock` returns the time in seconds."""
        self._send, self._clock = send, clock
        self._numbers = count()

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
        """See `Progress.task`."""
        number, last_sent = next(self._numbers), self._clock()
        steps, latest = 0, ""
        self._send(("begin", number, title, total, done))

        def advance(text: str) -> None:
            nonlocal last_sent, steps, latest
            steps, latest = steps + 1, text
            if self._clock() - last_sent >= TELL_EVERY:
                self._send(("advance", number, steps, latest))
                last_sent, steps = self._clock(), 0

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
    """The receiver of events, which reports them to a `Progress`. Events may come from any thread."""

    def __init__(self, progress: Progress) -> None:
        """Report to `progress`."""
        self._progress = progress
        self._open: dict[tuple[Hashable, int], tuple[AbstractContextManager[Advance], Advance]] = {}
        self._lock = threading.Lock()

    def receive(self, source: Hashable, event: Event) -> None:
        """Report an event to the `Progress`.

        Args:
            source: the job that sent the event. A job that starts again begins its tasks again.
            event: an event of a `Sender`.
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
        """End the tasks of jobs that did not end them."""
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
