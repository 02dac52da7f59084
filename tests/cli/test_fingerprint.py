"""`nnplug fingerprint`: writes the fingerprint, says what it holds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug_cli.main import main


@pytest.fixture
def dataset(write_dataset):
    image = np.arange(1, 61, dtype=np.float32).reshape(1, 3, 4, 5)
    return write_dataset({"a": (image, np.ones((3, 4, 5), np.uint8))}, spacing=(3.0, 2.0, 1.0))


def run(*arguments):
    return CliRunner().invoke(main, ["fingerprint", *map(str, arguments)])


def test_the_fingerprint_is_written_and_told(dataset, tmp_path):
    result = run(dataset, "-w", tmp_path / "w")
    assert result.exit_code == 0, result.output
    path = tmp_path / "w" / "Dataset001_A" / "fingerprint.json"
    assert json.loads(path.read_text())["spacings"] == [[3, 2, 1]]
    assert "spacing (mm), z y x: 3 x 2 x 1 to 3 x 2 x 1" in result.stdout
    assert "foreground of MRI: 30.5 +- 17.3" in result.stdout
    assert f"fingerprint: {path}" in result.stdout


def test_json_is_the_fingerprint(dataset, tmp_path):
    result = run(dataset, "-w", tmp_path / "w", "--json")
    path = tmp_path / "w" / "Dataset001_A" / "fingerprint.json"
    assert json.loads(result.stdout) == json.loads(path.read_text())


def test_a_misspelt_extractor_is_one_line(dataset, tmp_path):
    result = run(dataset, "-w", tmp_path / "w", "--extractor", "nnunett")
    assert result.exit_code == 1
    assert "no extractor is called 'nnunett'. Did you mean 'nnunet'?" in result.stderr
    assert not (tmp_path / "w").exists()


def test_options_of_other_kinds_are_refused(dataset, tmp_path):
    result = run(dataset, "-w", tmp_path / "w", "--set", "trainer.epochs=3")
    assert result.exit_code == 2
    assert "--set trainer.KEY has no use here" in result.stderr


def test_a_bad_case_leaves_nothing(dataset, tmp_path):
    (dataset / "imagesTr" / "a_0000.nii.gz").write_bytes(b"")
    result = run(dataset, "-w", tmp_path / "w")
    assert result.exit_code == 1
    assert "fingerprint of a:" in result.stderr
    assert not (tmp_path / "w").exists()
