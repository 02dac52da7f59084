"""The bars of `nnplug_cli.progress` with rich, imported when the first bar is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from nnplug_cli.progress.pace import SHOWN_AFTER, duration


class _Remaining(ProgressColumn):
    """The remaining time in the words of `duration`; rich shows "0:03:20"."""

    def render(self, task: Task) -> Text:
        return Text("" if task.time_remaining is None else f"{duration(task.time_remaining)} left", style="cyan")


class _Bars(Progress):
    """A display of the tasks that have taken over a second."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table([task for task in self.tasks if (task.elapsed or 0) >= SHOWN_AFTER])


def bars(console: Console) -> Progress:
    """Return an empty display on a console; stdout is not redirected."""
    return _Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Remaining(),
        TextColumn("{task.fields[latest]}", markup=False),
        console=console,
        redirect_stdout=False,
        transient=True,
        speed_estimate_period=inf,  # rich's default of 30 s is shorter than one epoch
    )
