"""Progress: honest remaining times, nothing for what is quick, lines that are never wrapped."""

from __future__ import annotations

from io import StringIO

import click
import pytest
from rich.console import Console

from nnplug_cli.progress import Bars, Lines
from nnplug_cli.progress.bars import _Remaining, bars
from nnplug_cli.progress.pace import Pace, duration
from nnplug_cli.remedies import REMEDIES


class Clock:
    """A clock that tests turn."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (48, "48 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_remaining_time_is_by_the_pace_of_this_start():
    clock = Clock()
    pace = Pace(total=100, done=50, clock=clock)
    assert pace.remaining is None
    for clock.now in (2.0, 4.0):
        pace.advance()
    assert pace.remaining == 48 * 2.0
    clock.now = 5.0
    assert pace.remaining == 48 * 2.0 - 1
    clock.now = 1000.0
    assert pace.remaining == 0


def test_lines_come_every_few_seconds_and_at_the_end(capsys):
    clock = Clock()
    with Lines(REMEDIES, clock).task("train", 30, done=10) as advance:
        for clock.now in range(1, 21):
            advance(f"Dice 0.{clock.now}")
    assert capsys.readouterr().err.splitlines() == ["train: 20/30, Dice 0.10, 10 s left", "train: 30/30 after 20 s"]


def test_what_is_quick_shows_nothing(capsys):
    with Lines(REMEDIES, Clock()).task("plan", 2) as advance:
        advance("")
    assert capsys.readouterr().err == ""


def test_a_task_that_fails_claims_no_end(capsys):
    clock = Clock()

    def fail():
        with Lines(REMEDIES, clock).task("train", 3):
            clock.now = 60
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("progress", [Lines(REMEDIES), Bars(REMEDIES)])
def test_notices_and_warnings_are_one_unwrapped_line(progress, capsys):
    text = "case [bold]x[/bold]: " + 300 * "long "
    progress.notice(text)
    progress.warning(text)
    assert capsys.readouterr().err.splitlines() == [f"notice: {text}", f"warning: {text}"]


def test_bars_draw_what_takes_over_a_second(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("nnplug_cli.progress.SHOWN_AFTER", 0.0)
    monkeypatch.setattr("nnplug_cli.progress.bars.SHOWN_AFTER", 0.0)
    with Bars(REMEDIES).task("train [x]", 3, done=1) as advance:
        advance("Dice 0.5")
    shown = capsys.readouterr().err
    assert "train [x]" in shown
    assert "2/3" in shown
    assert "train [x]: 2/3 after 0 s" in shown


def test_bars_tell_the_remaining_time_by_the_speed_of_this_start():
    clock = Clock()
    display = bars(Console(file=StringIO()))
    display.get_time = clock
    [column] = [column for column in display.columns if isinstance(column, _Remaining)]
    bar = display.add_task("train", total=100, completed=50, latest="")
    display.advance(bar, 0)
    [task] = display.tasks
    assert column.render(task).plain == ""
    for clock.now in (100.0, 200.0):  # an epoch takes longer than rich looks back by default
        display.update(bar, advance=1)
    assert column.render(task).plain == "1 h 20 min left"


def test_a_bar_has_an_estimate_after_the_first_item(monkeypatch):
    clock = Clock()
    shown = Bars(REMEDIES)
    shown._bars.get_time = clock
    with shown.task("train", 3) as advance:
        clock.now = 5.0
        advance("")
        [task] = shown._bars.tasks
        assert task.time_remaining == 10


def test_tasks_nest(capsys):
    bars = Bars(REMEDIES)
    with bars.task("folds", 1) as outer:
        with bars.task("epochs", 1) as inner:
            inner("")
        outer("")
    assert capsys.readouterr().err.strip() == ""


def test_lines_that_nobody_reads_end_no_command(monkeypatch):
    def gone(*args, **kwargs):
        raise BrokenPipeError

    monkeypatch.setattr(click, "echo", gone)
    Lines(REMEDIES).notice("on and on")
