"""A report is found from a run, folders of runs, a selection or predictions, and says what is missing."""

from __future__ import annotations

import json
import shutil

import pytest

from nnplug.errors import NnplugError
from nnplug_report.find import ReportRequest, find_subject


def find(runtime, source, **others):
    return find_subject(ReportRequest(source, **others), runtime)


@pytest.mark.parametrize("where", [".", "crossval", "crossval/selection.json"])
def test_a_selection(workspace, runtime, where):
    subject = find(runtime, workspace / where)
    assert subject.selection is not None
    assert [run.fold for run in subject.runs] == ["0", "1"]
    (result,) = subject.results
    assert [case.name for case in result.cases] == [f"phantom_{number:03d}" for number in range(4)]
    assert all(case.images and case.reference for case in result.cases)
    assert (result.is_scored, subject.missing) == (True, ())
    assert subject.fingerprint is not None


@pytest.mark.parametrize(("where", "folds"), [("fold_0", ["0"]), ("", ["0", "1"])])
def test_runs(workspace, runtime, where, folds):
    subject = find(runtime, workspace / "runs/nnunet/2d" / where)
    assert [run.fold for run in subject.runs] == folds
    assert subject.selection is None
    assert len(subject.results[0].cases) == 2 * len(folds)


def test_a_run_that_is_not_validated_or_not_finished_is_told(workspace, runtime, tmp_path):
    run = tmp_path / "2d/fold_0"
    shutil.copytree(workspace / "runs/nnunet/2d/fold_0", run)
    shutil.rmtree(run / "validation")
    assert find(runtime, run).missing == ("2d fold 0 is not validated: it has no scores yet.",)
    (run / "weights_final.safetensors").unlink()
    assert find(runtime, run).missing[0] == "2d fold 0 is not trained to its end."
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "validation": []}))
    assert "has no validation cases" in find(runtime, run).missing[1]


def test_predictions_without_references_have_volumes_alone(predictions, runtime, phantom):
    subject = find(runtime, predictions)
    assert subject.missing[0] == "There are no references: the report has volumes, and no scores."
    assert subject.missing[1].startswith("The images of 4 of 4 cases were not found (first phantom_000)")
    assert not subject.results[0].is_scored
    seen = find(runtime, predictions, images=phantom / "imagesTr")
    assert len(subject.missing) == len(seen.missing) + 1
    assert len(seen.results[0].cases[0].images) == 2


def test_predictions_with_references_are_scored(predictions, runtime, phantom):
    subject = find(runtime, predictions, references=phantom / "labelsTr")
    (result,) = subject.results
    assert [one.name for one in result.classes] == ["body", "cap"]
    assert result.cases[0].scores["1"]["Dice"] == 1
    assert all(case.images for case in result.cases)


def test_predictions_of_unknown_origin(predictions, runtime):
    (predictions / "dataset.json").unlink()
    assert [one.name for one in find(runtime, predictions).results[0].classes] == ["label 1", "label 2"]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("absent", "no such file or folder; give a run"),
        ("file.txt", "is a file; give a run"),
        ("empty", "holds no label maps"),
    ],
)
def test_other_paths_are_one_line(runtime, tmp_path, name, fault):
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NnplugError, match=fault):
        find(runtime, tmp_path / name)


def test_a_folder_of_images_that_is_not_there_is_one_line(predictions, runtime, tmp_path):
    with pytest.raises(NnplugError, match="absent: no such folder; give a folder of images"):
        find(runtime, predictions, images=tmp_path / "absent")
