"""Two trainings compared, the better or both together as one model, which predicts with one command."""

import json
import shutil

import pytest

from nnplug.io.images import read_geometry

pytestmark = pytest.mark.slow

WORDS = ("-c", "3d_fullres", "-f", "0", "-f", "1", "--no-mirroring", "--set", "trainer.epochs=1", "--workers", "1")
CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def trained(phantom, tiny, tmp_path_factory):
    import subprocess
    import sys
    from pathlib import Path

    workspace = tmp_path_factory.mktemp("select")
    command = str(Path(sys.executable).parent / "nnplug")
    for name, rate in (("low", "0.001"), ("high", "0.01")):
        own = ("--name", name, "--set", f"trainer.initial_lr={rate}")
        words = [command, "run", phantom, "-w", workspace, *WORDS, *tiny, *own, *CPU]
        done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return workspace


def folds(workspace, name, validation="validation"):
    return [workspace / f"Dataset999_Phantom/runs/{name}/3d_fullres/fold_{k}" / validation for k in (0, 1)]


def test_the_selected_model_predicts_with_one_command(trained, nnplug, phantom, tmp_path):
    words = ("select", phantom, "-w", trained, "--name", "low", "--name", "high", "-f", "0", "-f", "1", *CPU)
    done = nnplug(*words, check=True)
    title, *rows = [line.split("  ") for line in done.stdout.splitlines()]
    assert title[0] == "Dice"
    names = ["low:3d_fullres", "high:3d_fullres", "low:3d_fullres + high:3d_fullres"]
    assert [row[0] for row in rows[:3]] == names
    assert "postprocessing: largest-component" in done.stdout
    left = [file for name in ("low", "high") for folder in folds(trained, name) for file in folder.glob("*.logits.zip")]
    assert left == []  # what had to be predicted again is removed
    model = trained / "Dataset999_Phantom/model/selected"
    nnplug("predict", "-i", phantom / "imagesTs", "-o", tmp_path, "-m", model, "--no-mirroring", *CPU, check=True)
    for label in (phantom / "labelsTs").iterdir():
        assert read_geometry(tmp_path / label.name) == read_geometry(label)
    assert {"plans.json", "dataset.json"} <= {file.name for file in tmp_path.iterdir()}
    again = nnplug(*words, "--json", check=True)
    assert [entry["name"] for entry in json.loads(again.stdout)["entries"]] == names


def test_fold_all_is_no_part_of_a_cross_validation(trained, nnplug, phantom):
    done = nnplug("select", phantom, "-w", trained, "--name", "low", "-f", "all")
    assert done.returncode == 2
    assert "it is validated on its training cases" in done.stderr


def test_validating_only_trains_nothing_and_keeps_the_best_apart(trained, nnplug, phantom, tmp_path):
    workspace = tmp_path / "work"
    shutil.copytree(trained, workspace)
    words = ("train", phantom, "-w", workspace, "--name", "low", "-c", "3d_fullres", "-f", "0", "--validate-only", *CPU)
    words += ("--no-mirroring",)
    final, best = (folds(workspace, "low", name)[0] for name in ("validation", "validation_best"))
    before = final.parent.joinpath("weights_final.safetensors").stat().st_mtime_ns
    nnplug(*words, "--weights", "best", "--save-logits", check=True)
    assert {file.name.split(".", 1)[1] for file in best.iterdir()} == {"json", "nii.gz", "logits.zip"}
    assert final.parent.joinpath("weights_final.safetensors").stat().st_mtime_ns == before
    kept = (final / "summary.json").stat().st_mtime_ns
    nnplug(*words, check=True)
    assert (final / "summary.json").stat().st_mtime_ns == kept
    mirrored = nnplug(*words[:-1], check=True)
    assert "is predicted again, with other weights or mirroring than before" in mirrored.stderr
    assert (final / "summary.json").stat().st_mtime_ns != kept


def test_validating_what_is_not_trained_is_one_line(trained, nnplug, phantom):
    words = ("train", phantom, "-w", trained, "--name", "low", "-c", "3d_fullres", "--validate-only", *CPU)
    done = nnplug(*words, "-f", "2")
    assert done.returncode == 1
    assert "fold_2: no such file or folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert nnplug(*words, "-f", "0", "--fresh").returncode == 2


def test_a_run_of_every_fold_ends_with_one_selected_model(nnplug, phantom, tmp_path):
    names = [f"phantom_{i:03d}" for i in range(4)]
    splits = [{"train": names[2:], "val": names[:2]}, {"train": names[:2], "val": names[2:]}]
    folder = tmp_path / "w" / "Dataset999_Phantom"
    folder.mkdir(parents=True)
    (folder / "splits.json").write_text(json.dumps(splits))
    short = ("planner.base_features=4", "planner.max_features=8", "plan.batch_size=2", "trainer.epochs=1")
    short += ("trainer.iterations_per_epoch=1", "trainer.val_iterations_per_epoch=1")
    words = ("run", phantom, "-w", tmp_path / "w", "--no-mirroring", *CPU, *(w for o in short for w in ("--set", o)))
    done = nnplug(*words, check=True)
    assert [path.name for path in (folder / "model").iterdir()] == ["selected"]
    lines = done.stdout.splitlines()
    rows = [line.split("  ")[0] for line in lines]
    assert [row for row in rows if row.startswith(("2d", "3d"))] == [
        *("2d", "3d_fullres"),  # the plans, before the training
        *("2d fold 0", "2d fold 1", "3d_fullres fold 0", "3d_fullres fold 1"),
        *("2d", "3d_fullres", "2d + 3d_fullres"),
    ]
    assert "postprocessing: largest-component" in done.stdout
    report, model, following = lines[-3:]
    assert report == f"report: {folder / 'report.html'}"
    assert model == f"model: {folder / 'model' / 'selected'}"
    assert following == f"next: nnplug predict -i IMAGES -o PREDICTIONS -m {folder / 'model' / 'selected'}"
    made = (folder / "crossval" / "2d+3d_fullres" / "phantom_000.nii.gz").stat().st_mtime_ns
    again = json.loads(nnplug(*words, "--json", check=True).stdout)
    assert again["bundles"] == {"selected": str(folder / "model" / "selected")}
    assert len(again["selection"]["entries"]) == 3
    assert (folder / "crossval" / "2d+3d_fullres" / "phantom_000.nii.gz").stat().st_mtime_ns == made
