"""`nnplug preprocess`: every configuration, or those named; done once."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug import CaseStore
from nnplug_cli.main import main


def run(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture
def dataset(write_dataset, tmp_path):
    """A dataset measured and planned, with `tmp_path / "w"` as workspace."""
    random = np.random.default_rng(0)
    label = np.zeros((20, 24, 28), np.uint8)
    label[8:12, 8:12, 8:12] = 1
    cases = {name: (random.normal(50, 9, (1, *label.shape)).astype(np.float32), label) for name in "ab"}
    folder = write_dataset(cases)
    for stage in ("fingerprint", "plan"):
        result = run(stage, folder, "-w", tmp_path / "w")
        assert result.exit_code == 0, result.output
    return folder


def test_every_configuration_is_stored(dataset, tmp_path):
    result = run("preprocess", dataset, "-w", tmp_path / "w", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert sorted(report) == ["2d", "3d_fullres"]
    for entry in report.values():
        store = CaseStore(entry["folder"])
        assert list(store) == ["a", "b"]
        assert store["a"].image.shape == (1, 20, 24, 28)
        assert entry["cases"] == 2


def test_only_the_named_configuration_is_stored(dataset, tmp_path):
    result = run("preprocess", dataset, "-w", tmp_path / "w", "-c", "2d", "--workers", "1")
    folder = tmp_path / "w" / "Dataset001_A" / "preprocessed"
    assert f"2d: 2 cases in {folder / 'nnunet_2d'}" in result.stdout
    assert [entry.name for entry in folder.glob("[!.]*")] == ["nnunet_2d"]


def test_an_unknown_configuration_is_one_line(dataset, tmp_path):
    result = run("preprocess", dataset, "-w", tmp_path / "w", "-c", "3d_fulres")
    assert result.exit_code == 1
    assert "Did you mean '3d_fullres'?" in result.stderr


def test_missing_plans_say_what_to_run(dataset, tmp_path):
    result = run("preprocess", dataset, "-w", tmp_path / "w", "--name", "other")
    assert result.exit_code == 1
    assert f"no such plans. Run: nnplug plan {dataset} -w {tmp_path / 'w'} --name other" in result.stderr
