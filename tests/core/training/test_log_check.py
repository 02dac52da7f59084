"""A trainer that writes other lines to its log is named at the first of them."""

from __future__ import annotations

import pytest

from nnplug.contracts import LogLine, append_log
from nnplug.errors import InvalidPlugin
from nnplug.registry.attribution import Origin, tagged
from nnplug.runtime.progress import Silent
from nnplug.training.log_check import LogCheckingProgress, check_log


class Trainer:
    """A component with a name."""


@pytest.fixture
def trainer():
    return tagged(Trainer(), Origin("trainer 'odd' from nnplug-odd 1.0", "nnplug-odd", "nnplug_odd"))


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.jsonl"


def test_the_first_line_is_checked_at_the_next_step(trainer, log):
    with LogCheckingProgress(Silent(), log, trainer).task("train", 9) as advance:
        advance("no epoch yet")
        log.write_text('{"epoch": 0, "loss": 1.0}\n')
        with pytest.raises(InvalidPlugin) as error:
            advance("the next iteration")
    assert str(error.value).startswith("trainer 'odd' from nnplug-odd 1.0 wrote a line that nnplug cannot read (")
    assert f"{log}, line 1: " in str(error.value)
    assert str(error.value).endswith("Trainers write their log with nnplug.contracts.append_log.")


def test_a_sound_log_is_read_once(trainer, log):
    heard = []

    class Listener(Silent):
        def notice(self, message):
            heard.append(message)

        warning = notice

    progress = LogCheckingProgress(Listener(), log, trainer)
    assert not check_log(log, trainer)
    append_log(log, LogLine(epoch=0, learning_rate=0.1, train_loss=1.0, seconds=1.0))
    assert check_log(log, trainer)
    with progress.task("train", 9) as advance:
        advance("")
        log.write_text("not read again\n")
        advance("")
    progress.notice("a")
    progress.warning("b")
    assert heard == ["a", "b"]
