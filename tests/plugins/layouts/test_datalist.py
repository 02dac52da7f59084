from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nnplug.conversion.convert import convert, plan_conversion
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.io.images import read_label
from nnplug.preparation.make_splits import ensure_splits
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.workspace.layout import Workspace
from nnplug_layouts.datalist import Datalist

HOW = {"executor": LocalExecutor(2), "progress": Silent()}


def test_files_stay_where_they_are_and_folds_are_those_of_the_list(listed, tmp_path):
    training = [listed.entry(name, fold=number % 2) for number, name in enumerate("abcd")]
    source = listed.write(training=training, testing=[listed.entry("e"), {"image": training[0]["image"][:1] * 2}])
    dataset, report = convert(Datalist(), source, tmp_path / "Dataset001_A", **HOW)
    assert (report.cases, report.problems) == (4, ())
    assert sorted(path.name for path in dataset.folder.iterdir()) == ["dataset.json", "splits_final.json"]
    raw = json.loads((dataset.folder / "dataset.json").read_text())
    assert raw["labels"] == {"background": 0, "class_1": 1, "class_2": 2}
    assert (raw["channel_names"], raw["file_ending"]) == ({"0": "channel_0", "1": "channel_1"}, ".nii.gz")
    folder = listed.folder
    assert raw["dataset"]["a_t1"] == {
        "images": [str(folder / "a/t1.nii.gz"), str(folder / "a/t2.nii.gz")],
        "label": str(folder / "a/seg.nrrd"),
    }
    assert [case.label is None for case in dataset.testing_cases()] == [True, False]
    folds = ensure_splits(dataset, Workspace(tmp_path / "w", dataset.name), progress=Silent())
    assert [(fold.train, fold.val) for fold in folds] == [
        (("b_t1", "d_t1"), ("a_t1", "c_t1")),
        (("a_t1", "c_t1"), ("b_t1", "d_t1")),
    ]


def test_names_of_channels_and_classes_come_from_the_list_or_from_the_user(listed):
    cases = [listed.entry(name) for name in "ab"]
    source = listed.write(
        training=cases, modality={"0": "T1", "1": "T2"}, labels={"0": "bg", "1": "edema", "2": "core"}
    )
    raw = plan_conversion(Datalist(), source, **HOW).description.raw
    assert raw["channel_names"] == {"0": "T1", "1": "T2"}
    assert raw["labels"] == {"background": 0, "edema": 1, "core": 2}
    own = Datalist(channels=("CT", "PET"), classes={"core": 2, "edema": 1})
    raw = plan_conversion(own, source, **HOW).description.raw
    assert raw["channel_names"] == {"0": "CT", "1": "PET"}
    assert raw["labels"] == {"background": 0, "edema": 1, "core": 2}
    source = listed.write(training=cases, channel_names=["A", "B"], labels={"background": 0, "x": 1, "y": 2})
    raw = plan_conversion(Datalist(), source, **HOW).description.raw
    assert (raw["channel_names"], raw["labels"]["y"]) == ({"0": "A", "1": "B"}, 2)
    with pytest.raises(Problems, match=r"2 channels, but the names of channels are CT\..*converter\.channels"):
        plan_conversion(Datalist(channels=("CT",)), source, **HOW)


def test_a_list_of_validation_cases_is_one_fold(listed):
    source = listed.write(training=[listed.entry("a"), listed.entry("b")], validation=[listed.entry("c")])
    (fold,) = plan_conversion(Datalist(), source, **HOW).scan.folds
    assert (fold.train, fold.val) == (("a", "b"), ("c",)) or (fold.train, fold.val) == (("a_t1", "b_t1"), ("c_t1",))


def test_paths_are_relative_to_the_root(listed, tmp_path):
    content = {"training": [listed.entry("a")]}
    other = tmp_path / "lists" / "list.json"
    other.parent.mkdir()
    other.write_text(json.dumps(content))
    with pytest.raises(Problems, match="a/t1.nii.gz: is missing; training.0. of .*list.json lists it"):
        plan_conversion(Datalist(), other, **HOW)
    scan = plan_conversion(Datalist(root=str(listed.folder)), other, **HOW).scan
    assert scan.training[0].images[0] == listed.folder / "a/t1.nii.gz"


def test_label_values_with_gaps_need_a_copy(listed, tmp_path):
    listed = replace(listed, values=(0, 1, 4))
    source = listed.write(training=[listed.entry("a"), listed.entry("b")])
    with pytest.raises(Problems, match=r"label values are 0, 1, 4; they must be consecutive.*converter\.copy=true"):
        plan_conversion(Datalist(), source, **HOW)
    dataset, report = convert(Datalist(copy=True), source, tmp_path / "Dataset001_A", **HOW)
    assert report.problems == ()
    case = dataset.training_cases()[0]
    assert case.label == dataset.folder / "labelsTr" / f"{case.name}.nii.gz"
    assert set(read_label(case.label).array.ravel().tolist()) == {0, 1, 2}


def test_all_faults_are_told_at_once(listed):
    entry = listed.entry("a", fold=0)
    source = listed.write(
        training=[
            *(entry, entry, "a/t1.nii.gz", {"image": []}),
            *({**entry, "fold": -1}, {**entry, "label": ["x"]}, {"image": "b/t1.nii.gz", "label": "b/seg.nrrd"}),
        ],
        validation=[listed.entry("c")],
        testing={"image": "x"},
    )
    with pytest.raises(Problems) as caught:
        plan_conversion(Datalist(), source, **HOW)
    text = "\n".join(caught.value.lines)
    for part in (
        "training[2] is 'a/t1.nii.gz'; expected",
        "training[3] has the image []",
        "training[3] has the label None",
        "training[4] has the fold -1; expected a number from 0",
        "training[5] has the label ['x']",
        "b/t1.nii.gz: is missing; training[6]",
        "b/seg.nrrd: is missing; training[6]",
        "'testing' is {'image': 'x'}; expected a list of cases",
        "training[6] has 1 images, others 2; list all",
        "'validation' lists cases, and training[0] has a fold",
        "a/t1.nii.gz: is listed 2 times; list it once",
    ):
        assert part in text, part


def test_other_files_are_refused(listed, tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InvalidFile, match="is no datalist; expected"):
        plan_conversion(Datalist(), tmp_path / "x.json", **HOW)
    with pytest.raises(Problems, match="'training' lists no case"):
        plan_conversion(Datalist(), listed.write(test=[]), **HOW)
    empty = replace(listed, values=(0,))
    with pytest.raises(NnplugError, match="hold background only; nothing to learn"):
        plan_conversion(Datalist(), listed.write(training=[empty.entry("a")]), **HOW)
