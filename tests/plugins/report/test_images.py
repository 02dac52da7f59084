from __future__ import annotations

import json

import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.errors import NnplugError
from nnplug.io.readers import core_readers
from nnplug_report.images import images_in, listed_images


@pytest.fixture
def dataset(tmp_path):
    """A dataset that lists one case, with paths relative to it."""
    folder = tmp_path / "Dataset001_A"
    folder.mkdir()
    (tmp_path / "t1.nii").touch()
    raw = {
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, "a": 1},
        "numTraining": 1,
        "file_ending": ".nii",
        "dataset": {"a": {"images": ["../t1.nii"], "label": "../seg.nii"}},
    }
    (folder / "dataset.json").write_text(json.dumps(raw))
    return Dataset.open(folder)


def test_listed_images_lie_where_the_reference_says(dataset):
    (case,) = dataset.training_cases()
    assert listed_images("a", dataset.description, case.label) == case.images
    assert listed_images("b", dataset.description, case.label) == ()
    assert listed_images("a", dataset.description, None) == ()
    case.images[0].unlink()
    assert listed_images("a", dataset.description, case.label) == ()


def test_a_dataset_stands_for_the_images_that_it_lists(dataset, tmp_path):
    (case,) = dataset.training_cases()
    assert images_in(dataset.folder, None, core_readers()) == {"a": case.images}
    with pytest.raises(NnplugError, match="no such folder; give a folder of images"):
        images_in(tmp_path / "none", None, core_readers())
