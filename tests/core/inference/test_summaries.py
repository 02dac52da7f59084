"""Tables, pictures and the report of predictions are whole after every call, and destroy nothing."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from nnplug.errors import NnplugError, Problems
from nnplug.inference.options import PredictOptions
from nnplug.inference.prediction_files import image_inputs
from nnplug.inference.summaries import Summaries, predict_and_summarize
from nnplug.io.images import read_label
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor

EVERYTHING = Summaries(statistics=True, previews=True, report=True)


@pytest.fixture
def images(write_image):
    random = np.random.default_rng(0)
    return [write_image(f"c{k}", random.normal(50, 20, (4, 9, 8)).astype(np.float32)) for k in range(4)]


@pytest.fixture
def predict(bundle, plugins, tmp_path):
    """`predict(cases)` predicts into `out`; keywords are those of `PredictOptions`."""
    model = bundle("model", seed=22)

    def run(cases, summaries=EVERYTHING, **options):
        chosen = PredictOptions(models=(model,), mirroring=False, **options)
        predict_and_summarize(cases, tmp_path / "out", chosen, summaries, Runtime(plugins, LocalExecutor(1), "cpu"))
        return tmp_path / "out"

    return run


def tables(folder):
    """The cases in statistics.json, statistics.csv, report.json and previews."""
    with (folder / "statistics.csv").open() as table:
        rows = {row["case"] for row in csv.DictReader(table)}
    statistics, report = (json.loads((folder / f"{name}.json").read_text()) for name in ("statistics", "report"))
    pictures = {file.stem for file in (folder / "previews").glob("*.png")}
    return [set(statistics["cases"]), rows, set(report["cases"]), pictures]


def test_tables_agree_with_the_label_maps(predict, images):
    out = predict(images[:2])
    cases = json.loads((out / "statistics.json").read_text())["cases"]
    for case in images[:2]:
        label_map = read_label(out / f"{case.name}.nii.gz")
        for name, value in (("a", 1), ("b", 2)):
            voxels = int((label_map.array == value).sum())
            entry = cases[case.name]["classes"][name]
            assert (entry["voxels"], entry["volume_mm3"]) == (voxels, pytest.approx(voxels * 0.8 * 1.1 * 2.0))
        assert Image.open(out / "previews" / f"{case.name}.png").size[0] > 400


def test_nothing_is_written_that_is_not_asked_for(predict, images):
    names = {file.name for file in predict(images[:1], Summaries()).iterdir()}
    assert names == {"c0.nii.gz", "dataset.json", "plans.json", "predictions.jsonl", ".nnplug-outputs.jsonl"}
    assert {file.name for file in predict(images[:1], Summaries(statistics=True)).iterdir()} - names == {
        "statistics.json",
        "statistics.csv",
        ".statistics.json.lock",
    }


def test_kept_classes_alone_are_in_the_tables(predict, images):
    out = predict(images[:1], classes=("b",))
    assert list(json.loads((out / "statistics.json").read_text())["cases"]["c0"]["classes"]) == ["b"]
    (call,) = json.loads((out / "report.json").read_text())["calls"].values()
    assert call["options"]["classes"] == ["b"]


def test_a_call_that_resumes_ends_with_whole_tables(predict, images):
    out = predict(images[:2], Summaries())
    written = (out / "c0.nii.gz").stat().st_mtime_ns
    assert tables(predict(images, resume=True)) == [{"c0", "c1", "c2", "c3"}] * 4
    assert (out / "c0.nii.gz").stat().st_mtime_ns == written


def test_parts_at_once_leave_every_case_in_the_tables(predict, images, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(predict, (images[::2], images[1::2])))
    assert tables(tmp_path / "out") == [{"c0", "c1", "c2", "c3"}] * 4
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(report["calls"]) == 2
    assert {name: entry["call"] in report["calls"] for name, entry in report["cases"].items()} == dict.fromkeys(
        ("c0", "c1", "c2", "c3"), True
    )


def test_a_case_that_fails_is_told_and_the_others_are_summarised(predict, images, tmp_path):
    predict(images[:1])
    images[1].images[0].write_bytes(b"torn")
    with pytest.raises(Problems) as problems:
        predict(images[:3])
    (line,) = problems.value.lines
    assert line.startswith("c1: ")
    assert tables(tmp_path / "out") == [{"c0", "c2"}] * 4
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (told,) = report["calls"][report["cases"]["c2"]["call"]]["problems"]
    assert told.startswith("c1: ")


@pytest.mark.parametrize("name", ["statistics.json", "statistics.csv", "report.json", "previews/c0.png"])
def test_files_of_other_programs_are_not_replaced_unless_it_is_allowed(predict, images, tmp_path, name):
    file = tmp_path / "out" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(Problems) as problems:
        predict(images[:1])
    assert problems.value.lines == (
        f"{file}: is there, and nnplug did not write it; give another output, or allow it with replace=True",
    )
    assert (file.read_text(), (tmp_path / "out" / "c0.nii.gz").exists()) == ("mine", False)
    assert tables(predict(images[:1], replace=True)) == [{"c0"}] * 4
    predict(images[:1])
    file.write_text("changed")
    with pytest.raises(Problems, match=f"{name}: has changed since nnplug wrote it"):
        predict(images[:1])


def test_an_input_is_never_replaced(write_image, bundle, plugins, tmp_path):
    (tmp_path / "out").mkdir()
    picture = write_image("c0", np.zeros((9, 8), np.uint8), ending=".png", folder="out/previews").images[0]
    picture = picture.rename(picture.with_name("c0.png"))
    case = write_image("c0", np.ones((4, 9, 8), np.float32))
    chosen = PredictOptions(models=(bundle("model"),), mirroring=False, replace=True)
    runtime = Runtime(plugins, LocalExecutor(1), "cpu")
    with pytest.raises(NnplugError, match=r"c0.png: is read here, and a result of the same name would replace it"):
        predict_and_summarize(
            [case], tmp_path / "out", chosen, EVERYTHING, runtime, inputs=(picture, *image_inputs([case]))
        )
