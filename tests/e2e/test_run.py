"""From a dataset to predictions through the installed command, killed on the way and resumed."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from nnplug.io.images import read_geometry, read_label

ARGUMENTS = ("-c", "3d_fullres", "-f", "0", "--no-mirroring", "--set", "trainer.epochs=4")
FOLD = Path("Dataset999_Phantom/runs/nnunet/3d_fullres/fold_0")


def weights(workspace):
    return load_file(workspace / FOLD / "weights_final.safetensors")


@pytest.fixture(scope="module")
def uninterrupted(phantom, tiny, tmp_path_factory):
    workspace = tmp_path_factory.mktemp("uninterrupted")
    words = [str(Path(sys.executable).parent / "nnplug"), "run", phantom, "-w", workspace, *ARGUMENTS, *tiny]
    done = subprocess.run([*map(str, words), "--workers", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return workspace, done


def test_run_leaves_what_the_layout_promises(uninterrupted):
    workspace, done = uninterrupted
    run = workspace / FOLD
    for name in ("run.json", "plans.json", "dataset.json", "log.jsonl", "progress.png", "weights_best.safetensors"):
        assert (run / name).is_file(), name
    assert not (run / "state.pt").exists()
    assert [json.loads(line)["epoch"] for line in (run / "log.jsonl").read_text().splitlines()] == [0, 1, 2, 3]
    summary = json.loads((run / "validation" / "summary.json").read_text())
    assert set(summary) == {"foreground_mean", "mean", "metric_per_case", "metrics"}
    assert "model: " in done.stdout


def test_a_second_run_does_nothing_again(uninterrupted, nnplug, phantom, tiny):
    workspace, _ = uninterrupted
    before = (workspace / FOLD / "weights_final.safetensors").stat().st_mtime_ns
    nnplug("run", phantom, "-w", workspace, *ARGUMENTS, *tiny, check=True)
    assert (workspace / FOLD / "weights_final.safetensors").stat().st_mtime_ns == before


def test_other_values_are_refused_with_what_differs(uninterrupted, nnplug, phantom, tiny):
    workspace, _ = uninterrupted
    done = nnplug("run", phantom, "-w", workspace, *ARGUMENTS, *tiny, "--set", "trainer.initial_lr=0.1")
    assert done.returncode == 1
    assert "choices.trainer.options.initial_lr: 0.1 instead of the default" in done.stderr
    assert "--fresh" in done.stderr


def test_a_model_has_the_folds_of_earlier_runs_too(uninterrupted, nnplug, phantom, tiny, tmp_path):
    shutil.copytree(uninterrupted[0], tmp_path / "w")
    words = ("run", phantom, "-w", tmp_path / "w", "-c", "3d_fullres", "--no-mirroring", *tiny)
    words = (*words, "--set", "trainer.epochs=4")
    model = tmp_path / "w/Dataset999_Phantom/model/nnunet_3d_fullres"
    done = nnplug(*words, "-f", "1", check=True)
    assert "also has what was trained before, of fold 0" in done.stderr
    assert "folds are trained" not in done.stderr
    assert set(json.loads((model / "bundle.json").read_text())["record"]) == {"0", "1"}
    done = nnplug(*words, "-f", "3", "-f", "2", check=True)
    assert set(json.loads((model / "bundle.json").read_text())["record"]) == {"0", "1", "2", "3"}
    told = " ".join(done.stderr.split())
    assert "all 4 folds are trained. To compare them and make one model, run: nnplug select" in told


@pytest.mark.slow
def test_fresh_trains_again_with_another_seed_and_unchanged_plans(uninterrupted, nnplug, phantom, tiny, tmp_path):
    shutil.copytree(uninterrupted[0], tmp_path / "w")
    words = ("run", phantom, "-w", tmp_path / "w", *ARGUMENTS, *tiny, "--until", "train", "--seed", "1")
    refused = nnplug(*words)
    assert refused.returncode == 1
    assert "was begun with other values (seed: 1 instead of 0)" in refused.stderr
    assert "--fresh" in refused.stderr
    nnplug(*words, "--fresh", check=True)
    assert json.loads((tmp_path / "w" / FOLD / "run.json").read_text())["seed"] == 1
    before, after = weights(uninterrupted[0]), weights(tmp_path / "w")
    assert any(not np.array_equal(before[name], after[name]) for name in before)
    trained = (tmp_path / "w" / FOLD / "weights_final.safetensors").stat().st_mtime_ns
    nnplug(*words, "--fresh", check=True)
    assert (tmp_path / "w" / FOLD / "weights_final.safetensors").stat().st_mtime_ns == trained, "nothing differs now"


@pytest.mark.slow
def test_fresh_trains_again_with_other_cases(uninterrupted, nnplug, phantom, tiny, tmp_path):
    shutil.copytree(uninterrupted[0], tmp_path / "w")
    splits = tmp_path / "w" / "Dataset999_Phantom" / "splits.json"
    folds = json.loads(splits.read_text())
    splits.write_text(json.dumps([folds[1], folds[0], *folds[2:]]))
    words = ("run", phantom, "-w", tmp_path / "w", *ARGUMENTS, *tiny, "--until", "train")
    assert "was begun with other cases" in nnplug(*words).stderr
    nnplug(*words, "--fresh", check=True)
    assert json.loads((tmp_path / "w" / FOLD / "run.json").read_text())["validation"] == folds[1]["val"]


def test_bundle_predicts_unseen_images_in_their_geometry(uninterrupted, nnplug, phantom, tmp_path):
    workspace, _ = uninterrupted
    model = workspace / "Dataset999_Phantom/model/nnunet_3d_fullres"
    nnplug("predict", "-i", phantom / "imagesTs", "-o", tmp_path / "out", "-m", model, "--no-mirroring", check=True)
    for label in sorted((phantom / "labelsTs").iterdir()):
        predicted = read_label(tmp_path / "out" / label.name)
        assert predicted.geometry == read_geometry(label)
        assert set(np.unique(predicted.array)) <= {0, 1, 2}
    scored = nnplug("evaluate", "-r", phantom / "labelsTs", "-p", tmp_path / "out", "-o", tmp_path / "s.json")
    assert scored.returncode == 0, scored.stderr
    assert len(json.loads((tmp_path / "s.json").read_text())["metric_per_case"]) == 2


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("plans/nnunet.json", marks=pytest.mark.slow),
        pytest.param("preprocessed/nnunet_3d_fullres", marks=pytest.mark.slow),
        pytest.param("log.jsonl", marks=pytest.mark.slow),
        pytest.param("state.pt", marks=pytest.mark.slow),  # tests/torture/test_kill.py kills a run in every stage
    ],
)
def test_killed_and_resumed_equals_uninterrupted(uninterrupted, start, nnplug, phantom, tiny, tmp_path, moment):
    """kill -9 as soon as that file is there; another number of workers and a tracker must change nothing either."""
    words = ("run", phantom, "-w", tmp_path, *ARGUMENTS, *tiny, "--workers", "3", "--tracker", "csv")
    folder = tmp_path / "Dataset999_Phantom"
    awaited = tmp_path / FOLD / moment if "/" not in moment else folder / moment
    process = start(*words)
    while not awaited.exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / FOLD / "weights_final.safetensors").exists(), "it was not killed on the way"
    nnplug(*words, check=True)
    expected, found = weights(uninterrupted[0]), weights(tmp_path)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    table = (tmp_path / FOLD / "epochs.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in table] == ["epoch", "0", "1", "2", "3"]


@pytest.mark.slow
def test_more_epochs_make_a_finished_run_go_on(uninterrupted, nnplug, phantom, tiny, tmp_path):
    shutil.copytree(uninterrupted[0], tmp_path / "w")
    words = ("run", phantom, "-w", tmp_path / "w", "-c", "3d_fullres", "-f", "0", "--no-mirroring", *tiny)
    done = nnplug(*words, "--set", "trainer.epochs=6", check=True)
    assert "fold 0 was finished and goes on (choices.trainer.options.epochs: 6 instead of 4)" in done.stderr
    log = (tmp_path / "w" / FOLD / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in log] == [0, 1, 2, 3, 4, 5]
    before = (uninterrupted[0] / FOLD / "log.jsonl").read_text().splitlines()
    assert log[:4] == before
    bundle = json.loads((tmp_path / "w/Dataset999_Phantom/model/nnunet_3d_fullres/bundle.json").read_text())
    assert bundle["record"]["0"]["extended"] == ["choices.trainer.options.epochs: 6 instead of 4"]
    assert (tmp_path / "w" / FOLD / "validation" / "summary.json").is_file()


@pytest.mark.slow
def test_a_second_start_on_a_fold_is_told_and_a_killed_one_blocks_nobody(start, nnplug, phantom, tiny, tmp_path):
    words = ("-w", tmp_path, "-c", "3d_fullres", "-f", "0", "--no-mirroring")
    process = start("run", phantom, *words, *tiny, "--set", "trainer.epochs=5000")
    while not (tmp_path / FOLD / "log.jsonl").exists() and process.poll() is None:
        time.sleep(0.05)
    second = nnplug("train", phantom, *words)
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    run = tmp_path / FOLD
    assert line.startswith(f"error: train of 3d_fullres fold 0: {run}: is in use by process {process.pid} of user ")
    assert line.endswith("Wait until that has ended, or end it, then run the same command again.")
    assert process.poll() is None, "the first one goes on"
    process.kill()
    process.wait()
    third = nnplug("train", phantom, *words, "--set", "trainer.epochs=1")
    assert f"notice: {run}: process {process.pid} of user " in third.stderr
    assert "was begun with other values (choices.trainer.options.epochs: 1 instead of 5000)" in third.stderr


def test_sigterm_ends_a_run_with_a_line(phantom, tiny, tmp_path):
    words = ("run", phantom, "-w", tmp_path, "-c", "3d_fullres", "-f", "0", *tiny, "--set", "trainer.epochs=5000")
    command = [str(Path(sys.executable).parent / "nnplug"), *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / FOLD / "log.jsonl").exists() and process.poll() is None:
        time.sleep(0.05)
    process.terminate()
    _, told = process.communicate()
    assert process.returncode == 128 + 15
    assert told.splitlines()[-1] == "stopped by SIGTERM; finished work is kept; run the same command again"
