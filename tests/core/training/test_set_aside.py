"""An earlier training is lost only to a new one that has begun."""

from __future__ import annotations

import pytest

from nnplug.contracts import LogLine, append_log
from nnplug.errors import NnplugError
from nnplug.training.set_aside import set_aside
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_lock import alone_in


@pytest.fixture
def run(tmp_path):
    return trained(RunFolder(tmp_path / "fold_0"), "earlier")


def trained(run, text):
    """A finished run whose record says `text`."""
    run.path.mkdir(parents=True, exist_ok=True)
    for file in (run.record, run.final_weights):
        file.write_text(text)
    append_log(run.log, LogLine(epoch=0, learning_rate=0.1, train_loss=1.0, seconds=1.0))
    return run


def content(run):
    assert [path.name for path in run.path.parent.iterdir() if path.name != run.lock.name] == ["fold_0"]
    return run.record.read_text()


def test_a_new_training_replaces_the_earlier_one(run):
    with set_aside([run]):
        assert not run.path.exists()
        trained(run, "new")
    assert content(run) == "new"


@pytest.mark.parametrize("begins", [False, True])
def test_a_fault_before_the_first_epoch_puts_it_back(run, begins):
    def stopped():
        if begins:
            run.path.mkdir()
            run.record.write_text("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), set_aside([run]):
        stopped()
    assert content(run) == "earlier"
    assert run.is_finished


def test_after_an_epoch_the_new_training_stays(run):
    def trained_an_epoch():
        run.path.mkdir()
        run.record.write_text("new")
        append_log(run.log, LogLine(epoch=0, learning_rate=0.1, train_loss=1.0, seconds=1.0))
        raise ValueError("disk")

    with pytest.raises(ValueError, match="disk"), set_aside([run]):
        trained_an_epoch()
    assert content(run) == "new"
    assert not run.is_finished


def test_what_a_kill_left_is_put_back_first(run):
    run.path.rename(run.path.with_name(".earlier-fold_0"))
    run.path.mkdir()
    with pytest.raises(ValueError, match="again"), set_aside([run]):
        raise ValueError("again")
    assert content(run) == "earlier"


def test_a_fold_that_was_not_trained_needs_nothing(tmp_path):
    with set_aside([RunFolder(tmp_path / "fold_0")]):
        pass
    assert not (tmp_path / "fold_0").exists()


def test_a_fold_that_another_process_trains_keeps_all_of_them(run, tmp_path_factory):
    other = trained(RunFolder(tmp_path_factory.mktemp("other") / "fold_1"), "other")
    with pytest.raises(NnplugError, match="fold_1: is in use by"), alone_in(other), set_aside([run, other]):
        pass
    assert (content(run), other.record.read_text()) == ("earlier", "other")
