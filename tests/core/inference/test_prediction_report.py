"""The report of predictions: who predicted which case, with what, from which files."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import numpy as np
import pytest

from nnplug.inference.options import PredictOptions
from nnplug.inference.summaries import Summaries, predict_and_summarize
from nnplug.io.images import read_label, write_label
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor

REPORT = Summaries(report=True, command=("nnplug", "predict", "-i", "x"))


@pytest.fixture
def images(write_image):
    random = np.random.default_rng(0)
    return [write_image(f"c{k}", random.normal(50, 20, (4, 9, 8)).astype(np.float32)) for k in range(2)]


@pytest.fixture
def predict(bundle, plugins, tmp_path):
    """`predict(cases)` gives the report; keywords are those of `PredictOptions`."""
    model = bundle("model", folds=2)

    def run(cases, summaries=REPORT, **options):
        chosen = PredictOptions(models=(model,), mirroring=False, **options)
        predict_and_summarize(cases, tmp_path / "out", chosen, summaries, Runtime(plugins, LocalExecutor(1), "cpu"))
        report = tmp_path / "out" / "report.json"
        return json.loads(report.read_text()) if report.is_file() else None

    return run


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_case_has_its_files_with_digests_its_place_and_its_call(predict, images, tmp_path):
    report = predict(images[:1], save_probabilities=True)
    (number,), entry = report["calls"], report["cases"]["c0"]
    image, out = images[0].images[0], tmp_path / "out"
    assert entry["inputs"] == [{"path": str(image), "bytes": image.stat().st_size, "sha256": sha(image)}]
    assert {one["path"]: one["sha256"] for one in entry["outputs"]} == {
        name: sha(out / name) for name in ("c0.nii.gz", "c0.npz")
    }
    assert (entry["call"], entry["label_map"], entry["sha256"]) == (number, "c0.nii.gz", sha(out / "c0.nii.gz"))
    assert entry["shape"] == [4, 9, 8]
    assert entry["spacing"] == pytest.approx([2.0, 1.1, 0.8])
    assert entry["orientation"] == "PLI"
    assert datetime.fromisoformat(entry["written"]).timestamp() == pytest.approx(
        (out / "c0.nii.gz").stat().st_mtime, abs=1
    )


def test_a_call_has_its_command_times_device_and_versions(predict, images):
    (call,) = predict(images[:1], force=True)["calls"].values()
    assert call["command"] == ["nnplug", "predict", "-i", "x"]
    began, ended = (datetime.fromisoformat(call[key]) for key in ("began", "ended"))
    assert 0 <= (ended - began).total_seconds() <= call["seconds"] + 1
    assert call["device"]["asked"] == call["device"]["used"] == "cpu"
    assert call["distributions"].keys() >= {"python", "nnplug-core", "nnplug-nnunet", "torch", "numpy"}
    assert (call["options"]["force"], call["options"]["mirroring"], call["problems"]) == (True, False, [])
    assert call["model"]["members"][0]["folds"] == ["0", "1"]


def test_a_kept_case_stays_with_the_call_that_predicted_it(predict, images):
    first = predict(images[:1])
    second = predict(images, resume=True)
    (old,) = first["calls"]
    assert second["cases"]["c0"] == first["cases"]["c0"]
    assert second["cases"]["c1"]["call"] not in (old, None)
    assert len(second["calls"]) == 2
    third = predict(images)
    (new,) = {entry["call"] for entry in third["cases"].values()}
    assert list(third["calls"]) == [new]


def test_a_case_that_was_kept_and_never_reported_has_no_call(predict, images):
    predict(images[:1], Summaries())
    report = predict(images, resume=True)
    assert report["cases"]["c0"]["call"] is None
    assert report["cases"]["c1"]["call"] in report["calls"]


def test_cases_of_other_calls_leave_with_their_label_maps(predict, images, tmp_path):
    predict(images)
    label = read_label(tmp_path / "out" / "c0.nii.gz")
    write_label(tmp_path / "out" / "c0.nii.gz", np.ones_like(label.array), label.geometry)
    assert list(predict(images[1:])["cases"]) == ["c1"]
