"""`nnplug status`: finished, stopped and running folds, and what cannot be read."""

from __future__ import annotations

import errno
import json
import os
import time
from socket import gethostname

import pytest
from click.testing import CliRunner

from nnplug.errors import NnplugError
from nnplug.runtime.lock import locked
from nnplug.workspace.layout import RunFolder
from nnplug_cli.main import main


def status(*words):
    return CliRunner().invoke(main, ["status", *map(str, words)])


@pytest.fixture
def fold(copied):
    """`fold(state)`: what the status says of 3d_fullres, fold 0."""

    def read():
        result = status(copied.workspace, "--json")
        assert result.exit_code == 0, result.output
        (dataset,) = json.loads(result.stdout)
        (configuration,) = (c for c in dataset["configurations"] if c["name"] == "3d_fullres")
        return configuration["folds"][0]

    return read


@pytest.fixture
def run(copied):
    return RunFolder(copied.folder / "runs" / "nnunet" / "3d_fullres" / "fold_0")


def test_a_validated_fold_has_the_dice_of_its_summary(fold, run):
    found, summary = fold(), json.loads((run.validation / "summary.json").read_text())
    assert (found["state"], found["epochs_done"], found["epochs"], found["seconds_left"]) == ("validated", 1, 1, None)
    assert found["scores"]["Dice"] == summary["foreground_mean"]["Dice"]


def test_a_stopped_fold_has_the_time_of_its_remaining_epochs(fold, run):
    record = json.loads(run.record.read_text())
    run.record.write_text(json.dumps({**record, "epochs": 5}))
    lines = [{"epoch": n, "lr": 0.01, "train_loss": 1.0, "seconds": s} for n, s in enumerate((90.0, 10.0, 20.0))]
    run.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run.final_weights.unlink()
    found = fold()
    assert (found["state"], found["epochs_done"], found["epochs"], found["seconds_left"]) == ("stopped", 3, 5, 40.0)


def test_a_running_fold_names_its_process_and_machine(copied, fold, run):
    with locked(run.lock, what="the fold"):
        found, shown = fold(), status(copied.folder)
    assert found["state"] == "running"
    assert f"process {found['holder']['process']} on {found['holder']['host']}" in shown.stdout
    assert fold()["holder"] is None


def test_a_killed_process_is_named_with_its_machine(copied, fold, run):
    run.final_weights.unlink()
    run.lock.write_text(json.dumps({"process": 12, "host": "node7", "since": "2026-01-01T00:00:00+00:00"}))
    found, shown = fold(), status(copied.workspace).stdout
    assert (found["state"], found["killed"]["host"], found["holder"]) == ("stopped", "node7", None)
    assert "killed: process 12 on node7" in shown


def test_a_fold_that_an_error_ended_has_its_line(copied, fold, run):
    with pytest.raises(NnplugError), locked(run.lock, what="the fold"):
        raise NnplugError("the loss is nan")
    line = "nnunet 3d_fullres fold 0 ended early: the loss is nan"
    assert (fold()["state"], fold()["failure"]) == ("validated", None)
    (run.validation / "summary.json").unlink()
    assert (fold()["state"], fold()["failure"]) == ("trained", "the loss is nan")
    run.final_weights.unlink()
    assert (fold()["state"], fold()["failure"], fold()["killed"]) == ("stopped", "the loss is nan", None)
    assert line in status(copied.workspace).stdout.splitlines()
    with locked(run.lock, what="the fold"):
        assert (fold()["state"], fold()["failure"]) == ("running", None)
    assert fold()["failure"] is None


def test_a_training_that_writes_nothing_is_silent(copied, fold, run):
    hours_ago = time.time() - 7200
    with locked(run.lock, what="the fold"):
        assert not fold()["is_silent"]
        for path in (run.path, *run.path.iterdir()):
            os.utime(path, (hours_ago, hours_ago))
        found, shown = fold(), status(copied.workspace).stdout
    assert found["is_silent"]
    assert found["idle_seconds"] == pytest.approx(7200, abs=60)
    assert "running, silent for 2 h 00 min" in shown


def test_a_file_that_a_training_renames_meanwhile_is_passed_over(copied, fold, run):
    (run.path / ".0123abcd-state.pt").symlink_to("renamed")
    with locked(run.lock, what="the fold"):
        assert fold()["state"] == "running"


@pytest.mark.parametrize("host", ["node7", gethostname()])
def test_without_locks_the_note_and_the_files_tell_who_works(fold, run, monkeypatch, host):
    def none(*_, **__):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("nnplug.runtime.lock.lock_descriptor", none)
    run.final_weights.unlink()
    run.lock.write_text(json.dumps({"process": os.getpid(), "host": host, "since": "2026-01-01T00:00:00+00:00"}))
    assert (fold()["state"], fold()["holder"]["host"]) == ("running", host)
    gone = 2**22 + 1  # no process has this number
    run.lock.write_text(json.dumps({"process": gone, "host": host, "since": "2026-01-01T00:00:00+00:00"}))
    hours_ago = time.time() - 7200
    for path in run.path.iterdir():
        os.utime(path, (hours_ago, hours_ago))
    assert (fold()["state"], fold()["killed"]["host"]) == ("stopped", host)


def test_the_table_has_a_row_per_fold_and_the_models(copied):
    shown = status(copied.workspace).stdout.splitlines()
    cases = len(list((copied.dataset / "labelsTr").iterdir()))
    assert shown[0] == f"{copied.dataset.name}: {cases} cases, measured"
    assert [line.split()[:2] for line in shown[2:]] == [
        ["nnunet", name] for name in ("2d", "2d", "3d_fullres", "3d_fullres")
    ]


def test_files_that_cannot_be_read_are_named_and_the_rest_is_shown(copied, run):
    run.record.write_text("{}")
    (copied.folder / "plans" / "other.json").write_text("no plans")
    shown = status(copied.workspace)
    assert shown.exit_code == 0
    assert str(run.record) in shown.stderr
    assert str(copied.folder / "plans" / "other.json") in shown.stderr
    assert "validated" in shown.stdout


def test_a_dataset_that_is_only_measured(tmp_path):
    (tmp_path / "w" / "Dataset001_A").mkdir(parents=True)
    (tmp_path / "w" / "Dataset001_A" / "fingerprint.json").write_text("{}")
    assert status(tmp_path / "w").stdout == "Dataset001_A: folds not chosen yet, measured\n"


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_folder_without_results_is_refused(tmp_path, name):
    shown = status(tmp_path / name)
    assert shown.exit_code == 1
    assert str(tmp_path / name) in shown.stderr
    assert "give the folder that -w named" in shown.stderr


def test_splits_of_another_layout_are_named(copied):
    (copied.folder / "splits.json").write_text("[1]")
    assert f"{copied.folder / 'splits.json'}: no list of folds" in status(copied.workspace).stderr
