"""Some classes of a prediction are kept: the others are background wherever the label map goes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import Problems
from nnplug.inference.jobs import predict_cases
from nnplug.inference.options import PredictOptions
from nnplug.inference.outputs.kept_classes import keep_classes, kept_description, with_kept_classes
from nnplug.inference.outputs.writers import choose_writers
from nnplug.io.images import read_label
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor

RAW = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "liver": 1, "spleen": 2, "kidney": 3},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}
NAMES = """
    from pathlib import Path

    from nnplug.runtime.files import write_text

    class Names:
        def check(self, case, description):
            return description.labels.foreground_names

        def write(self, path, predicted):
            values = sorted({int(v) for v in predicted.label_map.array.ravel()})
            write_text(path, f"{predicted.description.labels.foreground_names} {values}")

        def example(self, folder): ...

    @hookimpl
    def nnplug_writers():
        yield WriterComponent("names", f"{__name__}:Names", "", ending=".names.txt")
"""


@pytest.fixture
def case(write_image):
    return write_image("a", np.random.default_rng(0).normal(50, 20, (4, 9, 8)).astype(np.float32))


@pytest.fixture
def predict(bundle, case, plugins, tmp_path):
    """`predict("out", models=[{"seed": 1}])`: predict the case; keywords are those of `PredictOptions`."""

    def run(name, *, models=({"seed": 22},), runtime=None, **options):
        names = [f"{name}-{number}" for number in range(len(models))]
        made = zip(names, models, strict=True)
        paths = [tmp_path / n if (tmp_path / n).exists() else bundle(n, **fields) for n, fields in made]
        chosen = PredictOptions(models=tuple(paths), mirroring=False, **options)
        predict_cases([case], tmp_path / name, chosen, runtime or Runtime(plugins, LocalExecutor(1), "cpu"))
        return tmp_path / name

    return run


def test_values_of_kept_classes_stay_and_all_others_are_background():
    label_map = np.array([[0, 1, 2, 3, 3]], np.uint8)
    labels = kept_description(DatasetDescription.from_data(RAW, "test"), ["kidney", "liver"]).labels
    assert labels.foreground_names == ("liver", "kidney")
    kept = keep_classes(label_map, labels)
    assert (kept.tolist(), kept.dtype) == ([[0, 1, 0, 3, 3]], np.uint8)
    assert keep_classes(np.zeros((1, 2), np.int16), labels).tolist() == [[0, 0]]
    assert with_kept_classes(RAW, labels, ["kidney", "liver"]) == {**RAW, "kept_classes": ["liver", "kidney"]}


def test_without_names_everything_stays():
    description = DatasetDescription.from_data(RAW, "test")
    assert kept_description(description, ()) is description
    assert with_kept_classes(RAW, description.labels, ()) is RAW


def test_the_label_map_has_kept_classes_and_probabilities_are_of_all(predict):
    everything = predict("all", save_probabilities=True)
    kept = predict("kept", save_probabilities=True, save_logits=True, classes=("b",))
    whole, part = (read_label(folder / "a.nii.gz").array for folder in (everything, kept))
    assert {1, 2} <= set(np.unique(whole))
    assert np.array_equal(part, np.where(whole == 2, 2, 0))
    ours, theirs = (np.load(folder / "a.npz")["probabilities"] for folder in (everything, kept))
    assert np.array_equal(ours, theirs)
    assert json.loads((kept / "dataset.json").read_text())["kept_classes"] == ["b"]
    assert "kept_classes" not in json.loads((everything / "dataset.json").read_text())


def test_an_ensemble_keeps_classes_of_the_mean(predict):
    members = [{"seed": 22}, {"seed": 23}]
    whole = read_label(predict("all", models=members) / "a.nii.gz").array
    part = read_label(predict("kept", models=members, classes=("a",)) / "a.nii.gz").array
    assert 1 in whole
    assert np.array_equal(part, np.where(whole == 1, 1, 0))


def test_a_region_keeps_all_its_values(predict):
    regions = [{"labels": {"background": 0, "whole": [1, 2], "core": 2}, "seed": 8}]
    whole = read_label(predict("all", models=regions) / "a.nii.gz").array
    assert {1, 2} <= set(np.unique(whole))
    outer, inner = (
        read_label(predict(name, models=regions, classes=(name,)) / "a.nii.gz") for name in ("whole", "core")
    )
    assert np.array_equal(outer.array, whole)
    assert np.array_equal(inner.array, np.where(whole == 2, 2, 0))


def test_writers_get_the_kept_classes(predict, install):
    install("nnplug-names", "names", NAMES)
    runtime = Runtime(Plugins(), LocalExecutor(1), "cpu")
    writers = choose_writers(["names"], {}, runtime.registry)
    out = predict("out", runtime=runtime, writers=writers, classes=("b",))
    assert (out / "a.names.txt").read_text() == "('b',) [0, 2]"


def test_a_call_that_resumes_with_other_classes_predicts_again(predict):
    predict("out", classes=("a",))
    written = (predict("out", classes=("a", "a"), resume=True) / "a.nii.gz").stat().st_mtime_ns
    assert (predict("out", classes=("a",), resume=True) / "a.nii.gz").stat().st_mtime_ns == written
    assert set(np.unique(read_label(predict("out", classes=("b",), resume=True) / "a.nii.gz").array)) == {0, 2}


def test_an_unknown_class_is_refused_with_the_closest_names_before_anything_is_written(predict, tmp_path):
    with pytest.raises(Problems, match=r"^'B' is no class or region of the model; closest are 'b'$"):
        predict("out", classes=("a", "B"))
    assert not (tmp_path / "out").exists()
