"""The progress of steps: bars on a terminal, lines elsewhere, always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

import click

from nnplug.errors import worded
from nnplug_cli.progress.pace import SHOWN_AFTER, Pace, duration
from nnplug_cli.wrapping import message, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    from nnplug.remedies import Action
    from nnplug.runtime.progress import Advance

LINE_EVERY = 10.0
"""Seconds between two lines of one task without a terminal."""


def _left(pace: Pace) -> str:
    return "" if pace.remaining is None else f"{duration(pace.remaining)} left"


class Lines:
    """Progress without a terminal: a line per task every few seconds, and one at its end."""

    def __init__(self, remedies: Mapping[Action, str], clock: Callable[[], float] = time.monotonic) -> None:
        """Take the words for remedies of a command line, and a clock in seconds."""
        self._remedies, self._clock = remedies, clock

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
        """See `nnplug.runtime.progress.Progress.task`."""
        pace = Pace(total, done, self._clock)
        printed = self._clock()

        def advance(latest: str) -> None:
            nonlocal printed
            pace.advance()
            if self._clock() - printed >= LINE_EVERY and pace.done < total:
                printed = self._clock()
                _line(", ".join(filter(None, (f"{title}: {pace.done}/{total}", latest, _left(pace)))))

        yield advance
        if pace.elapsed >= SHOWN_AFTER:
            _line(f"{title}: {pace.done}/{total} after {duration(pace.elapsed)}")

    def notice(self, message: str) -> None:
        """Print a notice as one line."""
        _line(f"notice: {worded(message, self._remedies)}")

    def warning(self, message: str) -> None:
        """Print a warning as one line."""
        _line(f"warning: {worded(message, self._remedies)}")


def _line(text: str) -> None:
    with suppress(OSError):  # a training of days must not end because its terminal is closed
        click.echo(one_line(text), err=True)


class Bars:
    """Progress on a terminal: a bar per task of more than a second; the bar disappears at the end of the task."""

    def __init__(self, remedies: Mapping[Action, str]) -> None:
        """Take the words for remedies of a command line."""
        self._remedies = remedies

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(stderr=True)

    @cached_property
    def _bars(self) -> RichProgress:
        from nnplug_cli.progress.bars import bars

        return bars(self._console)

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
        """See `nnplug.runtime.progress.Progress.task`."""
        bar = self._bars.add_task(title, total=total, completed=done, latest="")
        self._bars.advance(
            bar, 0
        )  # the time from which rich estimates the speed; else it is that of the first item's end
        self._bars.start()
        task = next(task for task in self._bars.tasks if task.id == bar)

        def advance(latest: str) -> None:
            self._bars.update(bar, advance=1, latest=latest)

        try:
            yield advance
        finally:
            self._bars.remove_task(bar)
            if not self._bars.tasks:
                self._bars.stop()
        elapsed = task.elapsed or 0.0
        if elapsed >= SHOWN_AFTER:
            self._print(f"{title}: {task.completed:g}/{total} after {duration(elapsed)}", style="dim")

    def notice(self, message: str) -> None:
        """Print a notice above the bars, wrapped to the terminal."""
        self._print(f"notice: {worded(message, self._remedies)}", style="cyan")

    def warning(self, message: str) -> None:
        """Print a warning above the bars, wrapped to the terminal."""
        self._print(f"warning: {worded(message, self._remedies)}", style="yellow")

    def _print(self, text: str, *, style: str) -> None:
        self._console.print(message(text, sys.stderr), style=style, soft_wrap=True, markup=False, highlight=False)
