import json
from pathlib import Path

import pytest
import SimpleITK as sitk

from nnplug.dataset.dataset import Dataset
from nnplug.errors import InvalidFile, NnplugError
from nnplug.preparation.make_splits import SplitRequest, count_folds, ensure_splits, make_folds, store_folds
from nnplug.runtime.progress import Silent
from nnplug.workspace.layout import Workspace


class Heard(Silent):
    def __init__(self):
        self.notices, self.warnings = [], []

    def notice(self, message):
        self.notices.append(message)

    def warning(self, message):
        self.warnings.append(message)


@pytest.fixture
def make_dataset(tmp_path):
    def make(cases):
        folder = tmp_path / "Dataset001_Tiny"
        for part in ("imagesTr", "labelsTr"):
            (folder / part).mkdir(parents=True)
        image = sitk.Image(2, 2, 2, sitk.sitkUInt8)
        names = [f"c{index}" for index in range(cases)] if isinstance(cases, int) else cases
        for name in names:
            sitk.WriteImage(image, str(folder / "imagesTr" / f"{name}_0000.nii.gz"))
            sitk.WriteImage(image, str(folder / "labelsTr" / f"{name}.nii.gz"))
        description = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}}
        (folder / "dataset.json").write_text(
            json.dumps(description | {"numTraining": len(names), "file_ending": ".nii.gz"})
        )
        return Dataset.open(folder), Workspace(tmp_path / "work", "Dataset001_Tiny")

    return make


def test_folds_are_counted_and_not_written(make_dataset):
    dataset, workspace = make_dataset(3)
    assert count_folds(dataset, workspace) == 3
    assert not workspace.splits.exists()
    store_folds(make_folds(dataset, SplitRequest(folds=2), progress=Silent()), dataset, workspace)
    assert count_folds(dataset, workspace) == 2
    (dataset.folder / "splits_final.json").write_text("[]")
    assert count_folds(dataset, workspace) == 2, "those in the workspace take precedence"


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


def test_names_of_one_patient_on_both_sides_are_warned_of_once(make_dataset):
    dataset, workspace = make_dataset([f"p{n}_{part}" for n in range(3) for part in "ab"])
    progress = Heard()
    ensure_splits(dataset, workspace, progress=progress)
    (warning,) = progress.warnings
    assert "look like one patient" in warning
    assert "If they are, make folds of groups of cases." in warning
    ensure_splits(dataset, workspace, progress=progress)
    assert len(progress.warnings) == 1


def test_groups_stay_together(make_dataset, tmp_path):
    dataset, workspace = make_dataset([f"p{n}_{part}" for n in range(3) for part in "ab"])
    table = tmp_path / "groups.csv"
    table.write_text("case,group\n" + "".join(f"p{n}_{part},{n}\n" for n in range(3) for part in "ab"))
    progress = Heard()
    folds = make_folds(dataset, SplitRequest(folds=3, groups=table), progress=progress)
    assert sorted(fold.val for fold in folds) == [(f"p{n}_a", f"p{n}_b") for n in range(3)]
    left_out = make_folds(dataset, SplitRequest(groups=table, leave_one_group_out=True), progress=progress)
    assert sorted(left_out, key=lambda fold: fold.val) == sorted(folds, key=lambda fold: fold.val)
    assert progress.warnings == []
    store_folds(folds, dataset, workspace)
    assert ensure_splits(dataset, workspace, progress=progress) == folds


def test_other_folds_are_replaced_only_when_asked_for(make_dataset):
    dataset, workspace = make_dataset(6)
    ensure_splits(dataset, workspace, progress=Silent())
    folds = make_folds(dataset, SplitRequest(folds=2), progress=Silent())
    with pytest.raises(NnplugError, match=r"splits.json: holds other folds. Write these with replace=True"):
        store_folds(folds, dataset, workspace)
    store_folds(folds, dataset, workspace, replace=True)
    assert ensure_splits(dataset, workspace, progress=Silent()) == folds


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"folds": 1}, "1 folds: cross-validation needs at least 2"),
        ({"leave_one_group_out": True}, "leaving one group out needs the groups"),
        ({"leave_one_group_out": True, "groups": Path("g"), "folds": 3}, "makes a fold per group, not 3"),
        ({"file": Path("s.json"), "folds": 3}, "s.json: holds the folds; give it without a number of folds"),
    ],
)
def test_what_cannot_be_meant_together_is_refused(fields, message):
    with pytest.raises(NnplugError, match=message):
        SplitRequest(**fields)


def test_more_folds_than_cases_are_refused(make_dataset):
    dataset, _ = make_dataset(3)
    with pytest.raises(NnplugError, match="3 cases cannot make 4 folds; ask for at most 3"):
        make_folds(dataset, SplitRequest(folds=4), progress=Silent())
