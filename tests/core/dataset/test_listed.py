from __future__ import annotations

import json

import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.listed import listed_cases
from nnplug.dataset.sidecars import copy_label, images_in
from nnplug.errors import InvalidFile
from nnplug.evaluation.pairs import find_pairs, reference_files
from nnplug.inference.inputs import check_channel_numbers, find_cases
from nnplug.io.images import Geometry, read_label, write_label
from nnplug.io.readers import core_readers

READERS = core_readers()
LABELS = {"background": 0, "a": 1}


@pytest.fixture
def folder(tmp_path):
    """A dataset that lists two training cases and two to predict, of which one has a label map."""
    raw = tmp_path / "Dataset001_A"
    raw.mkdir()
    content = {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": LABELS,
        "numTraining": 2,
        "file_ending": ".nii.gz",
        "dataset": {n: {"images": [f"../{n}/t1.nii", f"../{n}/t2.nii"], "label": f"../{n}/seg.nrrd"} for n in "ab"},
        "testing": {
            "c": {"images": ["../c/t1.nii", "../c/t2.nii"], "label": "../c/seg.nrrd"},
            "d": {"images": ["x.nii"]},
        },
    }
    (raw / "dataset.json").write_text(json.dumps(content))
    return raw


def write(folder, **changes):
    raw = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**raw, **changes}))


def test_cases_to_predict_are_listed_under_testing(folder):
    cases = Dataset.open(folder).testing_cases()
    assert [(case.name, len(case.images), case.label is None) for case in cases] == [("c", 2, False), ("d", 1, True)]
    write(folder, testing=["c.nii.gz"])
    assert Dataset.open(folder).testing_cases() == ()


@pytest.mark.parametrize("entry", ["c.nii", {"images": "c.nii"}, {"images": ["c.nii"], "label": 1}])
def test_a_broken_list_is_quoted(folder, entry):
    write(folder, testing={"c": entry})
    with pytest.raises(InvalidFile, match=r"'testing' has .* for case 'c'; expected"):
        DatasetDescription.read(folder / "dataset.json")


def test_prediction_takes_the_cases_to_predict_or_else_the_training_cases(folder):
    cases = find_cases([folder], ".nii.gz")
    assert [case.name for case in cases] == ["c", "d"]
    for case in cases:
        check_channel_numbers(case)  # listed files have names of their own
    write(folder, testing=None)
    assert [case.name for case in find_cases([folder], ".nii.gz")] == ["a", "b"]


def test_a_folder_with_images_is_no_list(folder):
    (folder / "x.nii.gz").touch()
    assert not listed_cases(folder, READERS)
    assert not listed_cases(folder.parent, READERS)


def test_references_are_those_of_the_part_that_was_predicted(folder, tmp_path):
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    (predictions / "c.nii.gz").touch()
    assert find_pairs(folder, predictions, None) == [(predictions / "c.nii.gz", folder / "../c/seg.nrrd")]
    assert list(reference_files(folder, READERS)) == ["a", "b", "c"]
    assert folder / "../c/seg.nrrd" in images_in(folder)
    assert folder / "../a/t2.nii" in images_in(folder)


def test_a_label_map_is_copied_in_the_format_of_its_copy(tmp_path):
    axes = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    geometry = Geometry((2, 3, 4), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), axes)
    labels = np.arange(24, dtype=np.int16).reshape(2, 3, 4) % 3
    write_label(tmp_path / "a.nrrd", labels, geometry)
    copy_label(tmp_path / "a.nrrd", tmp_path / "a.nii.gz", READERS)
    assert np.array_equal(read_label(tmp_path / "a.nii.gz").array, labels)
    assert (tmp_path / "a.nii.gz").stat().st_mtime == (tmp_path / "a.nrrd").stat().st_mtime
