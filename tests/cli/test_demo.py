"""`nnplug demo` with a training of one iteration: its files, its scores and its picture."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug_cli.demo import _request
from nnplug_cli.main import main

QUICK = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8"),
    *("--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=1"),
    *("--set", "trainer.val_iterations_per_epoch=1", "--set", "trainer.mirroring=false"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    (folder / "overlay.png").write_text("mine")
    words = ["demo", "-o", str(folder), "--device", "cpu", "--workers", "1", *QUICK, "--json"]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 1
    assert (folder / "overlay.png").read_text() == "mine"
    result = CliRunner().invoke(main, [*words, "--replace"])
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout)


def test_unseen_images_are_predicted_and_scored(made):
    folder, report = made
    references = {path.name for path in (folder / "raw" / "Dataset999_Phantom" / "labelsTs").iterdir()}
    assert {path.name for path in (folder / "predictions").glob("*.nii.gz")} == references
    summary = json.loads((folder / "predictions" / "summary.json").read_text())
    assert summary["foreground_mean"] == report["foreground_mean"]


def test_the_picture_shows_images_in_gray_and_labels_in_colour(made):
    folder, report = made
    assert report["picture"] == str(folder / "overlay.png")
    picture = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(report["picture"]))[..., :3].astype(int)
    height, width = picture.shape[:2]
    assert height > 3 * 200
    coloured = np.ptp(picture, axis=2) > 40
    rows = coloured[: height // 3]
    channels, reference = rows[:, : width // 2], rows[:, width // 2 : 3 * width // 4]
    assert not channels.any(), "channels are drawn without labels"
    assert reference.mean() > 0.01, "the reference of the first case is drawn in colour"


def test_the_demo_is_as_long_as_ever_and_set_wins(tmp_path):
    dataset = write_phantom(tmp_path / "Dataset999_Phantom", cases=2, unseen=0, shape=(12, 12, 12))
    options = {"trainer": {"iterations_per_epoch": 3, "mirroring": False}}
    runtime = Runtime(Plugins(), LocalExecutor(1), "cpu")
    planned = _request(dataset, tmp_path, runtime, options).plan.options
    assert planned["trainer"] == {
        "epochs": 10,
        "iterations_per_epoch": 3,
        "val_iterations_per_epoch": 4,
        "mirroring": False,
    }
