"""How a command shows a stage's progress: bars on a terminal, lines elsewhere, always on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    from nnplug.runtime.progress import Advance

SHOWN_AFTER = 1.0
"""Seconds: what takes less shows nothing."""

LINE_EVERY = 10.0
"""Seconds between two lines of one task where there is no terminal."""


@dataclass
class Pace:
    """How far a task is, and how long it still takes at the speed of this start.

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


def _left(pace: Pace) -> str:
    return "" if pace.remaining is None else f"{duration(pace.remaining)} left"


class Lines:
    """Progress without a terminal: a line per task every few seconds, and one at its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the time from `clock`."""
        self._clock = clock

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
        """See `nnplug.runtime.progress.Progress.task`."""
        pace = Pace(total, done, self._clock)
        told = self._clock()

        def advance(latest: str) -> None:
            nonlocal told
            pace.advance()
            if self._clock() - told >= LINE_EVERY and pace.done < total:
                told = self._clock()
                _line(", ".join(filter(None, (f"{title}: {pace.done}/{total}", latest, _left(pace)))))

        yield advance
        if pace.elapsed >= SHOWN_AFTER:
            _line(f"{title}: {pace.done}/{total} after {duration(pace.elapsed)}")

    def notice(self, message: str) -> None:
        """Print it as one line."""
        _line(f"notice: {message}")

    def warning(self, message: str) -> None:
        """Print it as one line."""
        _line(f"warning: {message}")


def _line(text: str) -> None:
    with suppress(OSError):  # a training of days must not end because nobody reads how far it is
        click.echo(" ".join(text.splitlines()), err=True)


class Bars:
    """Progress on a terminal: a bar per task that takes over a second, gone when the task is done."""

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(stderr=True)

    @cached_property
    def _bars(self) -> RichProgress:
        from nnplug_cli.bars import bars

        return bars(self._console)

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
        """See `nnplug.runtime.progress.Progress.task`."""
        pace = Pace(total, done)
        bar = self._bars.add_task(title, total=total, completed=done, latest="", pace=pace)
        self._bars.start()

        def advance(latest: str) -> None:
            pace.advance()
            self._bars.update(bar, completed=pace.done, latest=latest)

        try:
            yield advance
        finally:
            self._bars.remove_task(bar)
            if not self._bars.tasks:
                self._bars.stop()
        if pace.elapsed >= SHOWN_AFTER:
            self._print(f"{title}: {pace.done}/{total} after {duration(pace.elapsed)}", style="dim")

    def notice(self, message: str) -> None:
        """Print it as one line above the bars."""
        self._print(f"notice: {message}", style="cyan")

    def warning(self, message: str) -> None:
        """Print it as one line above the bars."""
        self._print(f"warning: {message}", style="yellow")

    def _print(self, text: str, *, style: str) -> None:
        line = " ".join(text.splitlines())
        self._console.print(line, style=style, soft_wrap=True, markup=False, highlight=False)
