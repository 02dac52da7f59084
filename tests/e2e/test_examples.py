"""The packages in docs/examples: installed as a third party's would be, checked, and trained with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnplug.dataset.phantom import write_phantom

EXAMPLES = sorted(path.parent for path in (Path(__file__).parents[2] / "docs" / "examples").glob("*/pyproject.toml"))
TINY = {
    "plan.patch_size": "[16,16,16]",
    "plan.batch_size": 2,
    "planner.base_features": 4,
    "planner.max_features": 8,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 2,
    "trainer.val_iterations_per_epoch": 1,
}


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_keeps_the_contract_and_trains(example, environment, tmp_path):
    environment.expect("pip", "wheel", "-q", "-w", tmp_path, example)
    environment.expect("pip", "install", "-q", next(tmp_path.glob("*.whl")))
    name = example.name.removeprefix("nnplug-")
    assert "0 failed" in environment.expect("nnplug", "plugins", "check", name)

    dataset = write_phantom(tmp_path / "Dataset900_Tiny", cases=5, unseen=1, shape=(24, 24, 24)).folder
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    where = ["-w", tmp_path / "work", "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--no-mirroring", "--json"]
    outcome = environment.expect("nnplug", "run", dataset, "--recipe", name, *where, *settings)
    assert json.loads(outcome)["bundles"]["3d_fullres"]


def test_there_are_examples():
    assert EXAMPLES
