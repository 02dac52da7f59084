import json

import pytest
from click.testing import CliRunner

from nnplug_cli.main import main


@pytest.fixture
def folder(shared):
    return shared / "reference" / "postprocess" / "regions"


def evaluate(*words):
    return CliRunner().invoke(main, ["evaluate", *map(str, words)])


def test_a_table_of_names_and_a_summary(folder, tmp_path):
    paths = ["-r", folder / "labels", "-p", folder / "predictions", "-o", tmp_path / "summary.json"]
    result = evaluate(*paths, "--dataset-json", folder / "dataset.json")
    assert result.exit_code == 0
    lines = [line.split()[:2] for line in result.stdout.splitlines()]
    assert lines == [
        ["class", "Dice"],
        ["whole", "0.8540"],
        ["core", "0.6941"],
        ["inner", "0.5699"],
        ["mean", "0.7060"],
    ]
    assert "(3,)" in json.loads((tmp_path / "summary.json").read_text())["mean"]


def test_json_is_the_summary(folder, tmp_path):
    paths = ["-r", folder / "labels", "-p", folder / "predictions", "-o", tmp_path / "summary.json"]
    result = evaluate(*paths, "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "summary.json").read_text())


def test_each_missing_file_is_a_line(folder, tmp_path):
    (tmp_path / "case9.nii.gz").write_bytes((folder / "labels" / "case0.nii.gz").read_bytes())
    result = evaluate("-r", folder / "labels", "-p", tmp_path, "-o", tmp_path / "summary.json")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 6
    assert not (tmp_path / "summary.json").exists()
