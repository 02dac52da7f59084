"""Writers of datasets: several files for each case, and files that all cases share, whole whatever happens."""

from __future__ import annotations

import json
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nnplug.contracts import PredictingModel
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import ComponentFailed, InvalidFile, InvalidPlugin, NnplugError, Problems
from nnplug.inference.jobs import check_prediction, predict_cases
from nnplug.inference.options import PredictOptions
from nnplug.inference.outputs.writers import choose_writers
from nnplug.inference.prediction_files import image_inputs
from nnplug.inference.summaries import Summaries, predict_and_summarize
from nnplug.io.images import read_label
from nnplug.registry.loader import Plugins
from nnplug.registry.reader_entry import WriterComponent
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor

RAW = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 1, "file_ending": ".nii.gz"}
BODY = """
    import json

    from nnplug.contracts import DatasetWriter
    from nnplug.errors import NnplugError
    from nnplug.io.images import write_label
    from nnplug.runtime.files import write_text

    class Study:
        def __init__(self, fault: str = "", letters: int = 99):
            self.fault, self.letters = fault, letters

        def check(self, case, description):
            return ()

        def files(self, case, description):
            name = case.name[:self.letters]
            if self.fault == "outside":
                return (f"../{name}.nii.gz",)
            if self.fault == "none":
                return None
            classes = [f"{name}/classes/{label}.txt" for label in description.labels.foreground_names]
            return (f"{name}/{name}_seg.nii.gz", *classes)

        def shared_files(self):
            return ("study.json", "notes/model.txt")

        def shared(self, folder, there, case, model):
            if case.name == self.fault:
                raise NnplugError("it is not wanted")
            known = json.loads(there.get("study.json", '{"cases": []}'))
            cases = sorted({*known["cases"], case.name})
            found = {"study.json": json.dumps({**known, "cases": cases}), "notes/model.txt": model.name}
            return {"study.json": found["study.json"]} if self.fault == "less" else found

        def write(self, path, predicted):
            labels, *classes = self.files(predicted.case, predicted.description)
            if self.fault == "lazy":
                return
            write_label(path / labels, predicted.label_map.array, predicted.label_map.geometry)
            for number, name in enumerate(classes, 1):
                write_text(path / name, str((predicted.label_map.array == number).sum()))

        def example(self, folder): ...

    @hookimpl
    def nnplug_writers():
        yield WriterComponent("study", f"{__name__}:Study", "", writes_dataset=True)
"""


@pytest.fixture
def study(install):
    """`study(KEY=VALUE)`: the chosen writer with these options."""
    install("nnplug-study", "study", BODY)
    return lambda **options: choose_writers(["study"], options, Plugins().registry)


@pytest.fixture
def images(write_image):
    return [write_image(name, np.random.default_rng(k).normal(50, 20, (4, 9, 8))) for k, name in enumerate("ab")]


@pytest.fixture
def predict(bundle, study, tmp_path):
    """`predict(cases, letters=1, resume=True)` predicts into the folder out; other keywords are the writer's."""
    model, runtime = bundle("model"), Runtime(Plugins(), LocalExecutor(1), "cpu")

    def run(cases, *, inputs=(), report=False, resume=False, replace=False, **options):
        chosen = PredictOptions(
            models=(model,), mirroring=False, writers=study(**options), resume=resume, replace=replace
        )
        summaries = Summaries(report=report)
        predict_and_summarize(cases, tmp_path / "out", chosen, summaries, runtime, inputs=inputs)
        return tmp_path / "out"

    return run


def names(folder):
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if not any(part.startswith(".") for part in path.parts)}


OWN = {"a.nii.gz", "b.nii.gz", "dataset.json", "plans.json", "predictions.jsonl"}
STUDY = {f"{n}/{f}" for n in "ab" for f in (f"{n}_seg.nii.gz", "classes/a.txt", "classes/b.txt")}
SHARED = {"study.json", "notes/model.txt"}


def test_every_case_has_its_files_and_all_share_some(predict, images):
    out = predict(images, report=True)
    assert names(out) == {*OWN, *STUDY, *SHARED, "report.json"}
    assert json.loads((out / "study.json").read_text()) == {"cases": ["a", "b"]}
    label = read_label(out / "a.nii.gz").array
    assert np.array_equal(read_label(out / "a" / "a_seg.nii.gz").array, label)
    assert (out / "a" / "classes" / "b.txt").read_text() == str((label == 2).sum())
    outputs = json.loads((out / "report.json").read_text())["cases"]["a"]["outputs"]
    assert {one["path"] for one in outputs} == {"a.nii.gz", *(name for name in STUDY if name.startswith("a/"))}


def test_a_call_that_resumes_makes_missing_files_in_folders(predict, images):
    out = predict(images)
    kept, lost = out / "b" / "b_seg.nii.gz", out / "a" / "classes" / "a.txt"
    before = kept.stat().st_mtime_ns
    lost.unlink()
    shutil.rmtree(out / "notes")
    (out / "study.json").unlink()
    predict(images, resume=True)
    assert names(out) == {*OWN, *STUDY, *SHARED}
    assert kept.stat().st_mtime_ns == before
    assert json.loads((out / "study.json").read_text()) == {"cases": ["a", "b"]}


def test_files_corrected_by_hand_are_kept_or_refused(predict, images):
    out = predict(images)
    (out / "a" / "classes" / "a.txt").write_text("mine")
    (out / "study.json").write_text(json.dumps({"cases": ["a", "b"], "authors": ["me"]}))
    predict(images, resume=True)
    assert (out / "a" / "classes" / "a.txt").read_text() == "mine"
    with pytest.raises(Problems, match=r"^\S*a/classes/a\.txt: has changed since nnplug wrote it"):
        predict(images)
    predict(images, replace=True)
    assert (out / "a" / "classes" / "a.txt").read_text() != "mine"
    assert json.loads((out / "study.json").read_text()) == {
        "cases": ["a", "b"],
        "authors": ["me"],
    }  # added to, not lost


def test_files_of_others_are_refused_before_anything_is_written(predict, images, tmp_path):
    for name in ("study.json", "b/classes/a.txt"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("theirs")
    with pytest.raises(Problems) as refused:
        predict(images)
    assert {line.split(":")[0] for line in refused.value.lines} == {
        str(tmp_path / "out" / name) for name in ("study.json", "b/classes/a.txt")
    }
    assert names(tmp_path / "out") == {"study.json", "b/classes/a.txt"}


def test_an_image_is_not_replaced_by_a_file_of_a_dataset(predict, images, tmp_path):
    place = tmp_path / "out" / "a"
    place.mkdir(parents=True)
    image = images[0].images[0].rename(place / "a_seg.nii.gz")
    with pytest.raises(Problems, match=r"a/a_seg\.nii\.gz: is read here"):
        predict([CaseFiles("a", (image,))], replace=True)


def test_two_cases_of_one_name_in_the_layout_are_refused(predict, study, bundle, write_image, plugins, tmp_path):
    cases = [write_image(name, np.zeros((4, 9, 8))) for name in ("case1", "case2")]
    with pytest.raises(Problems, match=r"case/case_seg\.nii\.gz: two results would be written to this file"):
        predict(cases, letters=4)
    options = PredictOptions(models=(bundle("other"),), writers=study(letters=4))
    runtime = Runtime(plugins, LocalExecutor(1), "cpu")
    with pytest.raises(Problems, match=r"case_seg\.nii\.gz: the results of case1 and case2 would be .*rename an input"):
        check_prediction(cases[:1], tmp_path / "out", options, runtime, inputs=image_inputs(cases), others=cases[1:])


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("outside", InvalidPlugin, "names the file '../a.nii.gz', which is no path in the output folder"),
        ("none", InvalidPlugin, "'study' from nnplug-study 1.0 gave NoneType instead of tuple"),
        ("less", Problems, "a: .*gave the shared files study.json instead of study.json, notes/model.txt"),
        ("lazy", Problems, "a: .*did not write a_seg.nii.gz, a.txt, b.txt"),
        ("a", Problems, "^a: .*is not wanted$"),
    ],
)
def test_faults_are_a_line(predict, images, fault, error, message):
    with pytest.raises(error, match=message) as refused:
        predict(images[:1], fault=fault)
    assert len(str(refused.value).splitlines()) == 1


def test_many_jobs_add_to_the_files_that_they_share(study, tmp_path):
    (writer,) = pickle.loads(pickle.dumps(study()))
    model = PredictingModel(DatasetDescription.from_data(RAW, "test"), "Dataset001_A nnunet 2d", "0" * 12)
    cases = [CaseFiles(f"case{k}", (Path("x"),)) for k in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda case: writer.write_shared_files(tmp_path, [case], model), cases))
    assert len(json.loads((tmp_path / "study.json").read_text())["cases"]) == 12
    (tmp_path / "study.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidFile, match=r"study\.json: cannot be read as text"):
        writer.write_shared_files(tmp_path, cases, model)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(ComponentFailed, match="'study' from nnplug-study 1.0 failed: JSONDecodeError"):
        writer.write_shared_files(tmp_path, cases, model)


def test_a_kill_leaves_whole_shared_files(predict, images, monkeypatch, tmp_path):
    import nnplug.runtime.files as files

    sync = files._sync

    def killed(path):
        if path.name.endswith("model.txt"):
            raise KeyboardInterrupt
        sync(path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "_sync", killed)
        with pytest.raises(KeyboardInterrupt):
            predict(images)
    assert json.loads((tmp_path / "out" / "study.json").read_text())["cases"] == ["a"]
    out = predict(images, resume=True)
    assert names(out) == {*OWN, *STUDY, *SHARED}


def test_a_dataset_has_no_ending():
    with pytest.raises(InvalidPlugin, match="says writes_dataset and has the ending '.txt'"):
        WriterComponent("words", "a.b:C", "", ending=".txt", writes_dataset=True)


def test_predict_cases_takes_such_a_writer_too(bundle, study, images, plugins, tmp_path):
    options = PredictOptions(models=(bundle("model"),), mirroring=False, writers=study())
    predict_cases(images, tmp_path / "out", options, Runtime(plugins, LocalExecutor(1), "cpu"))
    assert names(tmp_path / "out") == {*OWN, *STUDY, *SHARED}
    with pytest.raises(NnplugError, match="'study'"):
        choose_writers(["study"], {"study.ink": "x"}, Plugins().registry)
