"""`nnplug bench RUN` on a tiny run."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug_cli.main import main

TINY = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8"),
    *("--set", "plan.patch_size=[16,16,16]", "--set", "plan.batch_size=2", "--set", "trainer.epochs=1"),
    *("--set", "trainer.iterations_per_epoch=2", "--set", "trainer.val_iterations_per_epoch=1"),
)


def nnplug(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    dataset = write_phantom(folder / "Dataset900_Phantom", cases=5, unseen=0, shape=(24, 28, 24)).folder
    arguments = ("-w", folder / "work", "-c", "3d_fullres", "-f", 0, "--until", "train", "--device", "cpu")
    result = nnplug("run", dataset, *arguments, *TINY)
    assert result.exit_code == 0, result.output
    return folder / "work" / "Dataset900_Phantom"


@pytest.fixture
def run(workspace):
    return workspace / "runs" / "nnunet" / "3d_fullres" / "fold_0"


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_parts_of_an_iteration_as_json(run):
    before = contents(run)
    result = nnplug("bench", run, "--iterations", 3, "--workers", 1, "--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    profile = json.loads(result.stdout)
    assert set(profile["parts"]) == {"wait", "transfer", "augmentation", "forward", "loss", "backward", "optimiser"}
    assert profile["parts"]["forward"] > 0
    assert profile["parts"]["backward"] > 0
    assert profile["load"] > 0
    assert profile["augment"] > profile["load"] / 100
    assert profile["iterations"] == 3
    assert profile["batch"] == [2, 2, 16, 16, 16]
    total = sum(profile["parts"].values())
    assert profile["epoch"] == pytest.approx(2 * total + profile["validation"])
    assert contents(run) == before


def test_a_table_and_a_verdict(run):
    result = nnplug("bench", run, "--iterations", 2, "--workers", 1, "--device", "cpu")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["part", "wait", "transfer", "augmentation"]
    assert any(line.startswith("mean of 2 iterations on cpu, batch 2 x 2 x 16 x 16 x 16") for line in lines)
    assert "waits" in lines[-1]


def test_no_run_is_one_line(tmp_path):
    result = nnplug("bench", tmp_path / "absent")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {tmp_path / 'absent'}: no such file or folder")


def test_a_run_away_from_its_cases_is_one_line(run, tmp_path):
    moved = tmp_path / "elsewhere" / "deep" / "down" / "fold_0"
    shutil.copytree(run, moved)
    result = nnplug("bench", moved)
    assert result.exit_code == 1
    assert "cases of the run are not there" in result.stderr
    assert "nnplug preprocess" in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 1
