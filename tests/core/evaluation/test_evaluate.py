import json
import math
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError, Problems
from nnplug.evaluation.evaluate import evaluate, evaluate_folder
from nnplug.evaluation.metrics import Overlap
from nnplug.evaluation.pairs import find_description
from nnplug.evaluation.summary import defined, read_summary, undefined_classes, write_summary
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent

RUN = {"executor": LocalExecutor(1), "progress": Silent()}
REFERENCE = ["ignore", "islands-everywhere", "islands-of-one", "regions", "scattered"]


def write(path, array):
    path.parent.mkdir(exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(np.asarray(array, np.uint8)), str(path))


def describe(labels, **more):
    raw = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz", **more}
    return DatasetDescription.from_data(raw, "dataset.json")


def equal(ours, theirs):
    return ours == theirs or (math.isnan(ours) and math.isnan(theirs))


@pytest.mark.parametrize("name", REFERENCE)
def test_every_figure_is_nnunets(shared, name):
    folder = shared / "reference" / "postprocess" / name
    description = DatasetDescription.read(folder / "dataset.json")
    ours = evaluate(folder / "labels", folder / "predictions", description, **RUN)
    theirs = json.loads((folder / "expected" / "summary.json").read_text())
    assert all(equal(ours["foreground_mean"][m], v) for m, v in theirs["foreground_mean"].items())
    assert set(ours["mean"]) == set(theirs["mean"])
    assert all(equal(ours["mean"][k][m], v) for k, row in theirs["mean"].items() for m, v in row.items())
    for mine, case in zip(ours["metric_per_case"], theirs["metric_per_case"], strict=True):
        assert mine["prediction_file"].endswith(case["prediction_file"])
        assert all(equal(mine["metrics"][k][m], v) for k, row in case["metrics"].items() for m, v in row.items())


def test_nan_rules(tmp_path):
    """A class absent from one case is left out of its mean; a class absent from all makes the overall mean NaN."""
    for case, (reference, predicted) in {"a": ([1, 0], [1, 0]), "b": ([0, 0], [0, 0])}.items():
        write(tmp_path / "r" / f"{case}.nii.gz", [[reference]])
        write(tmp_path / "p" / f"{case}.nii.gz", [[predicted]])
    summary = evaluate(tmp_path / "r", tmp_path / "p", describe({"background": 0, "x": 1, "y": 2}), **RUN)
    assert summary["mean"]["1"]["Dice"] == 1
    assert math.isnan(summary["mean"]["2"]["Dice"])
    assert math.isnan(summary["foreground_mean"]["Dice"])
    assert summary["foreground_mean"]["TP"] == 0.25
    assert "NaN" in json.dumps(summary)


def test_region_keys_are_tuples(tmp_path):
    for folder in "rp":
        write(tmp_path / folder / "a.nii.gz", [[[0, 1, 2]]])
    labels = {"background": 0, "whole": [1, 2], "core": [2]}
    summary = evaluate(tmp_path / "r", tmp_path / "p", describe(labels, regions_class_order=[1, 2]), **RUN)
    assert list(summary["mean"]) == ["(1, 2)", "(2,)"]


def test_without_a_description_every_value_is_a_class(tmp_path):
    write(tmp_path / "r" / "a.nii.gz", [[[0, 4]]])
    write(tmp_path / "p" / "a.nrrd", [[[7, 4]]])
    summary = evaluate(tmp_path / "r", tmp_path / "p", None, **RUN)
    assert {key: row["Dice"] for key, row in summary["mean"].items()} == {"4": 1.0, "7": 0.0}


def test_the_description_beside_the_predictions_is_found(tmp_path):
    assert find_description(None, tmp_path) is None
    (tmp_path / "dataset.json").write_text(json.dumps(describe({"background": 0, "x": 1}).raw))
    assert find_description(None, tmp_path).labels.keys == ("1",)


def test_all_missing_files_are_listed(tmp_path):
    for name in "abc":
        write(tmp_path / "r" / f"{name}.nii.gz", [[[1]]])
    for name in "cd":
        write(tmp_path / "p" / f"{name}.nii.gz", [[[1]]])
    with pytest.raises(Problems) as error:
        evaluate(tmp_path / "r", tmp_path / "p", None, **RUN)
    assert [line.split(": ")[1].split(" in ")[0] for line in error.value.lines] == [
        "has no prediction",
        "has no prediction",
        "has no reference",
    ]
    (tmp_path / "p" / "d.nii.gz").unlink()
    assert len(evaluate(tmp_path / "r", tmp_path / "p", None, partial=True, **RUN)["metric_per_case"]) == 1


def test_different_shapes_are_named(tmp_path):
    write(tmp_path / "r" / "a.nii.gz", [[[1, 1]]])
    write(tmp_path / "p" / "a.nii.gz", [[[1]]])
    with pytest.raises(Problems, match=r"has shape \(1, 1, 1\), its reference .* has \(1, 1, 2\)"):
        evaluate(tmp_path / "r", tmp_path / "p", describe({"background": 0, "x": 1}), **RUN)


def test_nothing_to_score_is_told(tmp_path):
    with pytest.raises(NnplugError, match="no such folder"):
        evaluate(tmp_path / "r", tmp_path / "p", None, **RUN)
    (tmp_path / "r").mkdir()
    with pytest.raises(NnplugError, match="holds no label maps"):
        evaluate(tmp_path / "r", tmp_path / "r", None, **RUN)
    write(tmp_path / "r" / "a.nii.gz", [[[0]]])
    with pytest.raises(NnplugError, match="background only"):
        evaluate(tmp_path / "r", tmp_path / "r", None, **RUN)


class Warnings(Silent):
    def __init__(self):
        self.lines = []

    def warning(self, message):
        self.lines.append(message)


def place(path, array, *, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), code="LPS"):
    path.parent.mkdir(exist_ok=True)
    image = sitk.GetImageFromArray(np.asarray(array, np.uint8))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    sitk.WriteImage(sitk.DICOMOrient(image, code), str(path))


def block(shift=0):
    labels = np.zeros((5, 6, 7), np.uint8)
    labels[1:3, 1 + shift : 3 + shift, 2:5] = 1
    return labels


def test_predictions_that_lie_elsewhere_are_warned_of(tmp_path):
    for name in "ab":
        place(tmp_path / "r" / f"{name}.nii.gz", block())
    place(tmp_path / "p" / "a.nii.gz", block(), origin=(9.0, 0.0, 0.0))
    place(tmp_path / "p" / "b.nii.gz", block(), spacing=(1.0, 1.0, 2.0))
    progress = Warnings()
    evaluate(tmp_path / "r", tmp_path / "p", None, executor=LocalExecutor(1), progress=progress)
    origin, spacing = progress.lines
    assert "a.nii.gz: has origin (9.0, 0.0, 0.0)" in origin
    assert "b.nii.gz: has spacing (2.0, 1.0, 1.0)" in spacing


def test_cases_that_cannot_be_compared_are_named_and_the_others_scored(tmp_path):
    for name in "abc":
        place(tmp_path / "r" / f"{name}.nii.gz", block())
    place(tmp_path / "p" / "a.nii.gz", block())
    place(tmp_path / "p" / "b.nii.gz", block(), code="RPS")
    place(tmp_path / "p" / "c.nii.gz", block()[:-1])
    found = evaluate_folder(tmp_path / "r", tmp_path / "p", None, **RUN)
    assert [case["prediction_file"] for case in found.summary["metric_per_case"]] == [str(tmp_path / "p" / "a.nii.gz")]
    flipped, shorter = found.failures
    assert "b.nii.gz: stores the same region as" in flipped
    assert "c.nii.gz: has shape (4, 6, 7)" in shorter
    with pytest.raises(Problems, match="stores the same region"):
        evaluate(tmp_path / "r", tmp_path / "p", None, **RUN)


def test_references_of_another_file_type_are_paired_by_case(tmp_path):
    place(tmp_path / "r" / "a.nrrd", block())
    place(tmp_path / "p" / "a.nii.gz", block())
    summary = evaluate(tmp_path / "r", tmp_path / "p", describe({"background": 0, "b": 1}), **RUN)
    assert summary["foreground_mean"]["Dice"] == 1


def test_a_class_without_a_case_is_none_and_left_out_of_the_mean(tmp_path):
    for name in "ab":
        place(tmp_path / "r" / f"{name}.nii.gz", block())
        place(tmp_path / "p" / f"{name}.nii.gz", block(shift=1))
    summary = evaluate(tmp_path / "r", tmp_path / "p", describe({"background": 0, "b": 1, "rare": 2}), **RUN)
    assert math.isnan(summary["foreground_mean"]["Dice"])
    strict = defined(summary)
    json.dumps(strict, allow_nan=False)
    assert strict["mean"]["2"]["Dice"] is None
    assert strict["foreground_mean"]["Dice"] == summary["mean"]["1"]["Dice"] == 0.5
    assert undefined_classes(summary) == undefined_classes(strict) == ("2",)
    write_summary(tmp_path / "summary.json", summary)
    assert "NaN" not in (tmp_path / "summary.json").read_text()
    again = read_summary(tmp_path / "summary.json", ["1", "2"])
    assert math.isnan(again["mean"]["2"]["Dice"])
    assert again["foreground_mean"]["Dice"] == 0.5


@dataclass(frozen=True)
class Constant:
    value: float = 1.0
    figures, ranked = ("constant",), {}

    def measure(self, reference, prediction, labels, *, spacing):
        return {key: {"constant": self.value} for key in labels.keys}


def test_a_summary_names_its_metrics(tmp_path):
    """Those of a plugin with their distribution and version; the core's default too; of a script the class alone."""
    registry = Plugins().registry
    plugged = registry.create(Kind.METRIC, "surface", {"tolerance": 2.0})
    write(tmp_path / "r" / "a.nii.gz", [[[1, 0]]])
    write(tmp_path / "p" / "a.nii.gz", [[[1, 1]]])
    metrics = (Overlap(), plugged, Constant(3.0))
    summary = evaluate(tmp_path / "r", tmp_path / "p", describe({"background": 0, "x": 1}), **RUN, metrics=metrics)
    core, theirs, script = summary["metrics"]
    assert core == {
        "target": "nnplug.evaluation.metrics:Overlap",
        "distribution": "nnplug-core",
        "version": version("nnplug-core"),
    }
    assert theirs == {
        "name": "surface",
        "target": "nnplug_nnunet.metrics:Surface",
        "distribution": "nnplug-nnunet",
        "version": version("nnplug-nnunet"),
        "options": {"tolerance": 2.0},
    }
    assert (script["distribution"], script["version"], script["options"]) == (None, None, {"value": 3.0})
