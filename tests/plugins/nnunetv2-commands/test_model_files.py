"""Plans and dataset.json beside the folds: equal ones stay, others are never replaced under trained folds."""

from __future__ import annotations

import json

import pytest

from nnplug.errors import Problems
from nnplug_nnunetv2_commands.training import write_model_files
from nnplug_nnunetv2_commands.workspace import NnunetWorkspace

NAMES = ("plans.json", "dataset.json", "dataset_fingerprint.json")


@pytest.fixture
def space(tmp_path):
    made = NnunetWorkspace(tmp_path / "pre", "Dataset007_A", results=tmp_path / "res")
    made.folder.mkdir(parents=True)
    for file in (made.plans("nnUNetPlans"), made.description, made.fingerprint):
        file.write_text(json.dumps({"of": file.name, "number": 1}))
    write_model_files(made, "nnUNetPlans", "3d_fullres", fold="0")
    folder = made.model_folder("nnUNetPlans", "3d_fullres")
    (folder / "fold_0").mkdir()
    (folder / "fold_0" / "run.json").touch()
    return made


def test_equal_files_are_left_alone(space):
    folder = space.model_folder("nnUNetPlans", "3d_fullres")
    (folder / "dataset.json").write_text(json.dumps({"number": 1, "of": "dataset.json"}, indent=4))
    before = {name: (folder / name).stat().st_ino for name in NAMES}
    write_model_files(space, "nnUNetPlans", "3d_fullres", fold="1")
    assert {name: (folder / name).stat().st_ino for name in NAMES} == before


def test_plans_with_another_configuration_besides_are_copied(space):
    own = {"number": 1, "configurations": {"3d_fullres": {"patch_size": [8, 8, 8]}}}
    plans, there = space.plans("nnUNetPlans"), space.model_folder("nnUNetPlans", "3d_fullres") / "plans.json"
    there.write_text(json.dumps(own))
    more = {**own, "configurations": {**own["configurations"], "2d": {"inherits_from": "3d_fullres"}}}
    plans.write_text(json.dumps(more))
    write_model_files(space, "nnUNetPlans", "3d_fullres", fold="1")
    assert json.loads(there.read_text()) == more
    plans.write_text(json.dumps({**own, "configurations": {"3d_fullres": {"patch_size": [9, 8, 8]}}}))
    with pytest.raises(Problems, match=r"plans\.json: differs"):
        write_model_files(space, "nnUNetPlans", "3d_fullres", fold="1")


def test_files_that_differ_are_named_and_stay_under_other_folds(space):
    folder = space.model_folder("nnUNetPlans", "3d_fullres")
    space.description.write_text("{}")
    with pytest.raises(Problems, match=r"dataset\.json: differs from .*fold_0 were trained with it\. Train them with"):
        write_model_files(space, "nnUNetPlans", "3d_fullres", fold="1")
    assert json.loads((folder / "dataset.json").read_text())["number"] == 1
    write_model_files(space, "nnUNetPlans", "3d_fullres", fold="0")
    assert json.loads((folder / "dataset.json").read_text()) == {}
