import json

import pytest
import SimpleITK as sitk

from nnplug.data.dataset import Dataset
from nnplug.data.workspace import Workspace
from nnplug.errors import InvalidFile
from nnplug.runtime.progress import Silent
from nnplug.stages.split import ensure_splits


class Heard(Silent):
    def __init__(self):
        self.notices = []

    def notice(self, message):
        self.notices.append(message)


@pytest.fixture
def make_dataset(tmp_path):
    def make(cases):
        folder = tmp_path / "Dataset001_Tiny"
        for part in ("imagesTr", "labelsTr"):
            (folder / part).mkdir(parents=True)
        image = sitk.Image(2, 2, 2, sitk.sitkUInt8)
        for index in range(cases):
            sitk.WriteImage(image, str(folder / "imagesTr" / f"c{index}_0000.nii.gz"))
            sitk.WriteImage(image, str(folder / "labelsTr" / f"c{index}.nii.gz"))
        description = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}}
        (folder / "dataset.json").write_text(json.dumps(description | {"numTraining": cases, "file_ending": ".nii.gz"}))
        return Dataset.open(folder), Workspace(tmp_path / "work", "Dataset001_Tiny")

    return make


def test_five_folds_are_made_once_and_then_read(make_dataset):
    dataset, workspace = make_dataset(7)
    folds = ensure_splits(dataset, workspace, progress=Silent())
    assert len(folds) == 5
    edited = json.loads(workspace.splits.read_text())[:2]
    workspace.splits.write_text(json.dumps(edited))
    assert ensure_splits(dataset, workspace, progress=Silent()) == folds[:2]


def test_fewer_cases_than_folds_is_said(make_dataset):
    dataset, workspace = make_dataset(3)
    progress = Heard()
    assert len(ensure_splits(dataset, workspace, progress=progress)) == 3
    assert progress.notices == ["Dataset001_Tiny has 3 cases: cross-validation has 3 folds"]


def test_splits_of_the_dataset_win(make_dataset):
    dataset, workspace = make_dataset(3)
    (dataset.folder / "splits_final.json").write_text(json.dumps([{"train": ["c0", "c1"], "val": ["c2"]}]))
    (fold,) = ensure_splits(dataset, workspace, progress=Silent())
    assert fold.val == ("c2",)
    assert workspace.splits.exists()


def test_splits_with_an_unknown_case_are_refused(make_dataset):
    dataset, workspace = make_dataset(3)
    (dataset.folder / "splits_final.json").write_text(json.dumps([{"train": ["c0"], "val": ["c9"]}]))
    with pytest.raises(InvalidFile, match="c9"):
        ensure_splits(dataset, workspace, progress=Silent())
