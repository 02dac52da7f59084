"""The rich half of `nnplug_cli.progress`, imported when the first bar is drawn."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from nnplug_cli.pace import SHOWN_AFTER, Pace, duration


class _Remaining(ProgressColumn):
    """The remaining time by the task's own pace: rich's looks back 30 s, less than one epoch."""

    def render(self, task: Task) -> Text:
        pace: Pace = task.fields["pace"]
        return Text("" if pace.remaining is None else f"{duration(pace.remaining)} left", style="cyan")


class _Bars(Progress):
    """Shows only what has taken over a second."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table([task for task in self.tasks if (task.elapsed or 0) >= SHOWN_AFTER])


def bars(console: Console) -> Progress:
    """An empty display on a console; stdout stays the command's own."""
    return _Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Remaining(),
        TextColumn("{task.fields[latest]}", markup=False),
        console=console,
        redirect_stdout=False,
        transient=True,
    )
