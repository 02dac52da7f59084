"""Commands adapt their process to their work, and only when they run."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from nnplug.runtime.process import Work
from nnplug_cli import process
from nnplug_cli.main import COMMANDS, main

WORK = {
    "bench": Work.COMPUTE,
    "dataset convert": Work.READ_IMAGES,
    "dataset restore": Work.READ_IMAGES,
    "demo": Work.COMPUTE,
    "ensemble": Work.READ_IMAGES,
    "evaluate": Work.READ_IMAGES,
    "fingerprint": Work.READ_IMAGES,
    "overlay": Work.READ_IMAGES,
    "plugins check": Work.CHECK,
    "postprocess apply": Work.READ_IMAGES,
    "postprocess fit": Work.READ_IMAGES,
    "predict": Work.PREDICT,
    "preprocess": Work.COMPUTE,
    "run": Work.COMPUTE,
    "select": Work.READ_IMAGES,
    "train": Work.COMPUTE,
    "verify": Work.READ_IMAGES,
}


class Prepared(Exception):
    """The process was prepared for some work."""


@pytest.fixture
def prepared(monkeypatch):
    """Have commands end where they prepare their process."""

    def prepare(work):
        raise Prepared(work)

    monkeypatch.setattr(process, "prepare_process", prepare)


def functions():
    """Give the functions of all commands and subcommands by their words."""
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        inner = command.commands if isinstance(command, click.Group) else {}
        for sub, one in inner.items() or [("", command)]:
            yield f"{name} {sub}".strip(), one.callback


@pytest.mark.parametrize(("words", "function"), [pytest.param(*pair, id=pair[0]) for pair in functions()])
def test_a_command_prepares_its_process_before_all_else(prepared, words, function):
    while function.__code__.co_filename != process.__file__ and hasattr(function, "__wrapped__"):
        function = function.__wrapped__  # click's own decorators
    if words in WORK:
        with pytest.raises(Prepared) as stop:
            function()
        assert stop.value.args == (WORK[words],)
    else:
        assert function.__code__.co_filename != process.__file__


def test_verify_prepares_when_it_runs_and_not_for_its_help(prepared, tmp_path):
    assert CliRunner().invoke(main, ["verify", "--help"]).exit_code == 0
    assert CliRunner().invoke(main, ["verify", "--unknown"]).exit_code == 2
    result = CliRunner().invoke(main, ["verify", str(tmp_path)])
    assert result.exception.args == (Work.READ_IMAGES,)
