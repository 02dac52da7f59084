from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug_cli.main import main
from nnplug_cli.render import counted


@pytest.fixture
def folder(tmp_path):
    return write_phantom(tmp_path / "Dataset900_Phantom", cases=2, unseen=0, shape=(8, 10, 8)).folder


def run(*arguments):
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


def test_a_sound_dataset_ends_with_0_and_a_count(folder):
    result = run(folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-2] == "Dataset900_Phantom: 2 cases read, 0 problems, 0 warnings"
    assert result.stdout.splitlines()[-1].startswith("next: nnplug run ")


def test_problems_end_with_1_each_on_one_line(folder):
    for file in (folder / "labelsTr").iterdir():
        file.unlink()
    result = run(folder)
    assert result.exit_code == 1
    lines = [line for line in result.stdout.splitlines() if line.startswith("problem: ")]
    assert len(lines) == 2
    assert all(line.endswith("remove the other files of case 'phantom_00" + f"{i}'") for i, line in enumerate(lines))


def test_json_holds_the_whole_report(folder):
    (folder / "imagesTr" / "stray.nii.gz").touch()
    (folder / "imagesTr" / "stray.txt").touch()
    result = run(folder, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["cases"] == 2
    assert len(report["problems"]) == 1
    assert "stray.txt" in report["warnings"][-1]
    assert set(report) == {"dataset", "cases", "problems", "warnings", "notices"}


def test_a_folder_that_is_no_dataset_is_one_line(tmp_path):
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "has no dataset.json; give the dataset's folder" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_dataset_is_found_by_its_number(folder, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", str(folder.parent))
    assert run("900").exit_code == 0


@pytest.mark.parametrize(("number", "text"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases")])
def test_one_thing_is_no_plural(number, text):
    assert counted(number, "case") == text
