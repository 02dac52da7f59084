"""`nnplug split`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug_cli.main import main


@pytest.fixture
def split(write_dataset, tmp_path):
    label = np.ones((3, 4, 5), np.uint8)
    folder = write_dataset({f"p{n}_{part}": (label[None], label) for n in range(4) for part in "ab"})
    return lambda *words: CliRunner().invoke(main, ["split", str(folder), "-w", str(tmp_path / "w"), *map(str, words)])


def test_without_options_the_folds_are_shown(split, tmp_path):
    result = split()
    assert result.exit_code == 0, result.output
    header, *rows, place, following = result.stdout.splitlines()
    assert header.split() == ["fold", "training", "validation", "validated", "on"]
    assert [row.split()[:3] for row in rows] == [[str(n), "6", "2"] if n < 3 else [str(n), "7", "1"] for n in range(5)]
    assert place == f"splits: {tmp_path / 'w' / 'Dataset001_A' / 'splits.json'}"
    assert following.startswith("next: nnplug run ")
    assert following.endswith(f"Dataset001_A -w {tmp_path / 'w'}")
    assert "warning: cases" in result.stderr


def test_groups_stay_together(split, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("case,group\n" + "".join(f"p{n}_{part},{n}\n" for n in range(4) for part in "ab"))
    result = split("--groups", table, "--leave-one-group-out", "--json")
    assert [fold["val"] for fold in json.loads(result.stdout)] == [[f"p{n}_a", f"p{n}_b"] for n in range(4)]
    assert result.stderr == ""
    assert split("--folds", 2).exit_code == 1
    assert "--replace" in split("--folds", 2).stderr
    assert split("--folds", 2, "--replace").exit_code == 0


def test_hand_written_folds_are_checked(split, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps([{"train": ["p0_a"], "val": ["p9_a"]}]))
    result = split("--file", tmp_path / "s.json")
    assert result.exit_code == 1
    assert "s.json: fold 0: 'val' names 'p9_a', which is no training case" in result.stderr
