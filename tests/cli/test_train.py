"""`nnplug train`: every fold by one command, done once, in any order."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug_cli.main import main

TINY = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8"),
    *("--set", "plan.batch_size=2", "--set", "trainer.epochs=1"),
    *("--set", "trainer.iterations_per_epoch=1", "--set", "trainer.val_iterations_per_epoch=1"),
)


def nnplug(*words):
    return CliRunner().invoke(main, [*map(str, words)])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A planned and preprocessed dataset of three cases, divided into two folds, with its workspace."""
    folder = tmp_path_factory.mktemp("train")
    dataset = write_phantom(folder / "Dataset999_Phantom", cases=3, unseen=0, shape=(20, 24, 22)).folder
    assert nnplug("split", dataset, "-w", folder / "w", "--folds", 2).exit_code == 0
    result = nnplug(
        "run", dataset, "-w", folder / "w", "--until", "preprocess", "--device", "cpu", "--gpu-memory-gb", "8", *TINY
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"next: nnplug run {dataset} -w {folder / 'w'}"
    return dataset, folder / "w"


def train(prepared, *words):
    dataset, workspace = prepared
    return nnplug("train", dataset, "-w", workspace, "--device", "cpu", "--no-mirroring", *words)


def test_every_fold_of_every_configuration_is_trained_once(prepared):
    first = train(prepared, "-f", "1", "-c", "3d_fullres", "--gpu-memory-gb", "8")  # a CPU has no such budget
    assert first.exit_code == 0, first.output
    run = prepared[1] / "Dataset999_Phantom" / "runs" / "nnunet"
    made = run / "3d_fullres" / "fold_1"
    assert first.stdout.splitlines()[-2:] == [
        f"run: {made}",
        f"next: nnplug predict -i IMAGES -o PREDICTIONS -m {made}",
    ]
    done = (run / "3d_fullres" / "fold_1" / "weights_final.safetensors").stat().st_mtime_ns
    result = train(prepared, "--json")
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)["scores"]
    assert [(s["configuration"], s["fold"]) for s in scores] == [
        (name, fold) for name in ("2d", "3d_fullres") for fold in (0, 1)
    ]
    assert all("Dice" in s["foreground_mean"] for s in scores)
    assert (run / "3d_fullres" / "fold_1" / "weights_final.safetensors").stat().st_mtime_ns == done


def test_a_fold_that_fails_is_named_and_the_others_are_trained(prepared):
    run = prepared[1] / "Dataset999_Phantom" / "runs" / "nnunet" / "3d_fullres"
    for fold in (0, 1):
        (run / f"fold_{fold}").mkdir(parents=True, exist_ok=True)
    (run / "fold_0" / "run.json").write_text("{")
    result = train(prepared, "-c", "3d_fullres", "-f", "0", "-f", "1")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert line.startswith("error: train of 3d_fullres fold 0: ")
    assert "run.json: not valid JSON" in line
    assert (run / "fold_1" / "validation" / "summary.json").exists()
    assert train(prepared, "-c", "3d_fullres", "-f", "0", "--fresh").exit_code == 0


def test_other_folds_than_a_training_was_begun_with_are_refused(prepared):
    assert train(prepared, "-c", "2d", "-f", "0").exit_code == 0
    splits = prepared[1] / "Dataset999_Phantom" / "splits.json"
    before = splits.read_text()
    swapped = [{"train": fold["val"], "val": fold["train"]} for fold in json.loads(before)]
    splits.write_text(json.dumps(swapped))
    result = train(prepared, "-c", "2d", "-f", "0")
    splits.write_text(before)
    assert result.exit_code == 1
    assert f"was begun with other cases than {splits} has now for fold 0" in result.stderr
    assert "Put the old folds back, or give --fresh" in result.stderr


def test_an_unknown_configuration_is_one_line(prepared):
    result = train(prepared, "-c", "3d_fulres")
    assert result.exit_code == 1
    assert "Did you mean '3d_fullres'?" in result.stderr


def test_several_devices_are_not_for_clusters(prepared):
    result = train(prepared, "--executor", "dask", "--devices", "2")
    assert result.exit_code == 1
    assert "2 devices: on a cluster each worker trains on its own device; leave out --devices 2" in result.stderr


def test_a_finished_fold_is_sent_to_a_tracker_that_is_named_later(prepared, tmp_path):
    fold = ("-c", "2d", "-f", "1")
    assert train(prepared, *fold).exit_code == 0
    options = ("--tracker", "csv", "--set", f"tracker.csv.folder={tmp_path}")
    assert train(prepared, *fold, *options).exit_code == 0
    (table,) = tmp_path.rglob("epochs.csv")
    assert len(table.read_text().splitlines()) == 2


def test_a_tracker_that_does_not_exist_is_one_line(prepared):
    result = train(prepared, "--tracker", "cvs")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "no tracker is called 'cvs'. Did you mean 'csv'?" in result.stderr
    result = train(prepared, "--set", "tracker.folder=x")
    assert "tracker.folder is set, but no tracker is named" in result.stderr


def test_a_class_that_is_not_found_is_told_with_the_option_that_rescues_it(prepared, monkeypatch):
    from nnplug_nnunet.training import collapse

    monkeypatch.setattr(collapse, "LEAST_ITERATIONS", 1)
    monkeypatch.setattr(collapse, "FOUND", 1.1)  # above every Dice: six iterations may find a class by chance
    epochs = ("--set", "trainer.epochs=6", "--fresh")
    result = train(prepared, "-c", "2d", "-f", "0", *epochs)
    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if "not found" in line]
    run = prepared[1] / "Dataset999_Phantom" / "runs" / "nnunet" / "2d" / "fold_0"
    assert len(told) == 2
    assert all(
        line.startswith(f"notice: {run}: ") and line.endswith("Give --set trainer.rescue=true.") for line in told
    )
    assert "after 5 of 6 epochs, class" in told[0]
    assert "the training ends after 6 epochs, and class" in told[1]
    rescued = train(prepared, "-c", "2d", "-f", "0", *epochs, "--set", "trainer.rescue=true")
    assert "the rescue begins: momentum 0.9 and class-balanced patches" in rescued.stderr
