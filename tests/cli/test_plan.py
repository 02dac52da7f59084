import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnplug_cli.durations import budget_after
from nnplug_cli.main import main

STATISTICS = {
    "mean": 1.0,
    "median": 1.0,
    "std": 1.0,
    "min": 0.0,
    "max": 9.0,
    "percentile_00_5": 0.0,
    "percentile_99_5": 9.0,
}
FINGERPRINT = {
    "spacings": [[1.0, 1.0, 1.0]] * 20,
    "shapes_after_crop": [[128, 128, 128]] * 20,
    "foreground_intensity_properties_per_channel": {"0": STATISTICS},
    "median_relative_size_after_cropping": 1.0,
}
DATASET = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 20, "file_ending": ".mha"}


@pytest.fixture
def folder(tmp_path):
    """A raw dataset without images, and its fingerprint in a workspace."""
    dataset = tmp_path / "Dataset001_A"
    workspace = tmp_path / "work" / "Dataset001_A"
    for path in (dataset, workspace):
        path.mkdir(parents=True)
    (dataset / "dataset.json").write_text(json.dumps(DATASET))
    (workspace / "fingerprint.json").write_text(json.dumps(FINGERPRINT))
    return tmp_path


def files(folder):
    return [
        "--fingerprint",
        folder / "work/Dataset001_A/fingerprint.json",
        "--dataset-json",
        folder / "Dataset001_A/dataset.json",
        "-o",
        folder / "P.json",
    ]


def plan(*words):
    return CliRunner().invoke(main, ["plan", *map(str, words)])


def test_plans_of_a_workspace_go_there(folder):
    result = plan(folder / "Dataset001_A", "-w", folder / "work", "--name", "mine")
    path = folder / "work/Dataset001_A/plans/mine.json"
    assert result.exit_code == 0
    *_, place, following = result.stdout.splitlines()
    assert place == f"plans: {path}"
    assert following == f"next: nnplug preprocess {folder / 'Dataset001_A'} -w {folder / 'work'} --name mine"
    assert [line.split()[0] for line in result.stdout.splitlines()[1:3]] == ["2d", "3d_fullres"]
    assert json.loads(path.read_text())["dataset"] == "Dataset001_A"


@pytest.mark.slow  # 17 s; the next test counts one step
def test_memory_is_told_beside_the_target(folder):
    words = (*files(folder), "--memory", "--set", "plan.batch_size=3", "-c", "3d_fullres")
    shown = plan(*words)
    assert shown.exit_code == 0, shown.output
    table = {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines() if line.startswith("3d_fullres")}
    batch, training, kept, prediction, target = table["3d_fullres"]
    assert (batch, target) == ("3", "8.0")
    assert float(training) > float(prediction) > float(kept) > 0
    data = json.loads(plan(*words, "--json", "--replace").stdout)
    (of_volume,) = [one for one in data["memory"] if one["configuration"] == "3d_fullres"]
    assert f"{of_volume['training']:.1f}" == training
    assert (of_volume["budget"], of_volume["fits"], of_volume["unknown"]) == (8, True, [])
    assert "memory" not in json.loads((folder / "P.json").read_text())


def test_a_step_that_needs_more_than_the_target_is_told(folder):
    told = plan(*files(folder), "--memory", "--set", "plan.batch_size=8", "-c", "3d_fullres").stderr
    (line,) = [line for line in told.splitlines() if "GB of GPU memory" in line]
    assert "3d_fullres: a training step takes" in line
    assert line.endswith("the plans are made for 8 GB")


def test_the_time_of_a_training_is_told_with_the_way_to_shorten_it(folder, monkeypatch):
    monkeypatch.setattr("nnplug.profiling.duration.report._MANY", 1)
    monkeypatch.setattr("nnplug.profiling.duration.report._FEW", 1)
    monkeypatch.setattr("nnplug.profiling.duration.report._PILOT", 1000)
    tiny = {**FINGERPRINT, "shapes_after_crop": [[16, 20, 18]] * 20}
    (folder / "work/Dataset001_A/fingerprint.json").write_text(json.dumps(tiny))
    small = ["--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "plan.batch_size=2"]
    words = (*files(folder), "--estimate", "--device", "cpu", "-c", "3d_fullres", *small)
    shown = plan(*words)
    assert shown.exit_code == 0, shown.output
    (row,) = [line.split() for line in shown.stdout.splitlines() if line.startswith("3d_fullres") and "cpu" in line]
    assert row[1] == "cpu"
    assert float(row[2]) > 0
    assert row[3] == "250000"
    assert "a tenth of the time: --set trainer.epochs=100" in shown.stdout
    data = json.loads(plan(*words, "--json", "--replace", "--set", "trainer.epochs=2").stdout)
    (one,) = data["estimate"]
    assert one["seconds"] == one["folds"] * one["fold_seconds"]
    assert one["seconds"] == pytest.approx(5 * 500 * one["seconds_per_iteration"])
    assert "estimate" not in json.loads((folder / "P.json").read_text())


def test_an_estimate_gets_what_the_import_of_pytorch_leaves_of_a_minute(folder, monkeypatch):
    budgets = []
    report = "nnplug.profiling.duration.report.plans_durations"
    monkeypatch.setattr(report, lambda *_, budget, **__: budgets.append(budget) or [])
    shown = plan(*files(folder), "--estimate", "--device", "cpu")
    assert shown.exit_code == 0, shown.output
    (budget,) = budgets
    assert 20 <= budget < 50
    assert (budget_after(3.0), budget_after(45.0)) == (47, 20)


def test_the_pure_form_needs_two_files_only(folder):
    assert plan(*files(folder)).exit_code == 0
    plans = json.loads((folder / "P.json").read_text())
    assert (plans["dataset"], plans["name"]) == ("Dataset001_A", "nnunet")
    assert plans["configurations"]["3d_fullres"]["patch_size"] == [128, 128, 128]


def test_options_reach_the_plans(folder):
    words = ["--planner", "nnunet-resenc-m", "--memory-gb", "16", "--set", "plan.batch_size=3", "-c", "3d_fullres"]
    result = plan(*files(folder), *words, "--set", "trainer.epochs=5", "--json")
    assert result.exit_code == 0
    plans = json.loads(result.stdout)
    assert plans == json.loads((folder / "P.json").read_text())
    assert plans["choices"]["planner"] == {"name": "nnunet-resenc-m", "options": {"memory_gb": 16.0}}
    assert plans["choices"]["trainer"]["options"] == {"epochs": 5}
    assert plans["configurations"]["3d_fullres"]["batch_size"] == 3
    assert plans["configurations"]["2d"]["batch_size"] != 3


def test_a_recipe_with_another_extractor_reaches_the_plans(folder):
    result = plan(*files(folder), "--recipe", "nnunet-resenc-m", "--extractor", "nnunet", "--json")
    assert result.exit_code == 0, result.output
    plans = json.loads(result.stdout)
    assert plans["recipe"] == "nnunet-resenc-m"
    assert plans["configurations"]["3d_fullres"]["architecture"]["name"] == "residual-encoder-unet"
    assert plans["choices"]["extractor"]["name"] == "nnunet"
    refused = plan(*files(folder), "--extractor", "nnunett")
    assert "no extractor is called 'nnunett'. Did you mean 'nnunet'?" in refused.stderr


def test_an_unknown_channel_name_is_said_aloud(folder):
    dataset = folder / "Dataset001_A" / "dataset.json"
    dataset.write_text(json.dumps({**DATASET, "channel_names": {"0": "CTT"}}))
    result = plan(*files(folder))
    assert result.exit_code == 0
    assert "'CTT'" in result.stderr
    assert "'CTT'" not in result.stdout


@pytest.mark.parametrize("missing", ["--fingerprint", "--dataset-json", "-o"])
def test_the_pure_form_needs_all_three(folder, missing):
    words = files(folder)
    at = words.index(missing)
    result = plan(*words[:at], *words[at + 2 :])
    assert result.exit_code == 2
    assert "give DATASET, or all of --fingerprint, --dataset-json and -o" in result.stderr


def test_either_form_and_not_both(folder):
    result = plan(folder / "Dataset001_A", *files(folder))
    assert result.exit_code == 2
    assert "give either DATASET, or" in result.stderr


def test_plans_are_one_file(folder):
    result = plan(*files(folder)[:-1], folder / "plans")
    assert result.exit_code == 2
    assert "give it a name that ends in .json" in result.stderr


def test_a_missing_fingerprint_says_what_to_run(folder):
    (folder / "work/Dataset001_A/fingerprint.json").unlink()
    result = plan(folder / "Dataset001_A", "-w", folder / "work")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {folder}/work/Dataset001_A/fingerprint.json: no such fingerprint. Run: ")
    assert result.stderr.endswith(f"nnplug fingerprint {folder}/Dataset001_A -w {folder}/work\n")


def test_a_bad_option_is_one_line_and_writes_nothing(folder):
    result = plan(*files(folder), "--set", "plan.patch_size=[100,128,128]")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "to import" not in line]  # a busy machine imports slowly
    assert "the nearest is 96 x 128 x 128" in line
    assert not (folder / "P.json").exists()


def test_planning_loads_no_torch(folder):
    code = "import sys; from nnplug_cli.main import main; main(standalone_mode=False); sys.exit('torch' in sys.modules)"
    words = [sys.executable, "-c", code, "plan", *map(str, files(folder))]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(folder / "P.json").exists()


def test_plans_of_another_dataset_need_no_fingerprint(folder):
    assert plan(*files(folder)).exit_code == 0
    (folder / "work/Dataset001_A/fingerprint.json").unlink()
    words = ["-w", folder / "work", "--from", folder / "P.json", "--name", "moved"]
    result = plan(folder / "Dataset001_A", *words, "--set", "trainer.epochs=7")
    assert result.exit_code == 0
    assert "spacing, patch, network and normalisation are those of Dataset001_A" in result.stderr
    moved = json.loads((folder / "work/Dataset001_A/plans/moved.json").read_text())
    source = json.loads((folder / "P.json").read_text())
    assert moved["configurations"] == source["configurations"]
    assert moved["choices"]["trainer"]["options"] == {"epochs": 7}
    refused = plan(folder / "Dataset001_A", *words, "--planner", "nnunet-resenc-m")
    assert refused.exit_code == 2
    assert "--from takes everything from the other plans" in refused.stderr


@pytest.mark.parametrize("place", ["work/Dataset001_A/fingerprint.json", "Dataset001_A/dataset.json", "mine.json"])
def test_plans_replace_nothing_of_the_users(folder, place):
    (folder / "mine.json").write_text("mine")
    before = (folder / place).read_bytes()
    words = files(folder)[:-1]
    result = plan(*words, folder / place)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {folder / place}: is ")
    assert (folder / place).read_bytes() == before
    assert plan(*words, folder / place, "--replace").exit_code == (0 if place == "mine.json" else 1)
    assert ((folder / place).read_bytes() == before) == (place != "mine.json")


def test_plans_name_the_inference_and_its_options(folder):
    result = plan(*files(folder), "--set", "inference.step=0.3")
    assert result.exit_code == 0, result.output
    chosen = json.loads((folder / "P.json").read_text())["choices"]["inference"]
    assert chosen == {"name": "sliding-window", "options": {"step": 0.3}}
    result = plan(*files(folder), "--inference", "whole-image", "--replace")
    assert result.exit_code == 0, result.output
    written = json.loads((folder / "P.json").read_text())
    assert written["choices"]["inference"] == {"name": "whole-image", "options": {}}
    (provider,) = [one for one in written["providers"] if one["kind"] == "inference"]
    assert (provider["name"], provider["distribution"]) == ("whole-image", "nnplug-core")
    result = plan(*files(folder), "--set", "inference.step=3", "--replace")
    assert result.exit_code == 1
    assert "step is 3.0; it must be above 0 and at most 1" in result.stderr
