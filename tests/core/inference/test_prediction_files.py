"""Prediction destroys no file of its user: images, sidecars, models, label maps corrected by hand, other datasets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import NnplugError, Problems
from nnplug.inference.folder import predict_folder
from nnplug.inference.jobs import predict_cases
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.options import PredictOptions
from nnplug.inference.prediction_files import image_inputs, output_description
from nnplug.io.images import read_label, write_label
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.output_log import LOG
from nnplug.runtime.progress import Silent


def volume(seed=0):
    return np.random.default_rng(seed).normal(50, 20, (4, 9, 8)).astype(np.float32)


@pytest.fixture
def images(write_image):
    return [write_image(name, volume(k)) for k, name in enumerate("ab")]


@pytest.fixture
def predict(bundle, plugins, tmp_path):
    """`predict(output, cases)` predicts; keywords are those of `PredictOptions` and of `predict_cases`."""
    model = bundle("model")

    def run(output, cases, *, beside=(), **options):
        chosen = PredictOptions(**{"models": (model,), "mirroring": False, **options})
        predict_cases(cases, output, chosen, Runtime(plugins, LocalExecutor(1), "cpu"), inputs=image_inputs(beside))

    run.model = model
    return run


def refused(predict, output, cases, **options):
    """The lines with which a prediction is refused; not a byte under the output's parent is another after it."""
    before = {file: file.read_bytes() for file in output.parent.rglob("*") if file.is_file()}
    with pytest.raises(NnplugError) as refusal:
        predict(output, cases, **options)
    assert {file: file.read_bytes() for file in output.parent.rglob("*") if file.is_file()} == before
    return str(refusal.value).splitlines()


def alone(case):
    """The case as a file without a channel number."""
    file = case.images[0].with_name(f"{case.name}.nii.gz")
    return CaseFiles(case.name, (case.images[0].rename(file),))


@pytest.mark.parametrize("replace", [False, True])
def test_an_image_is_not_replaced_by_its_label_map(predict, images, replace):
    case = alone(images[0])
    (line,) = refused(predict, case.images[0].parent, [case, images[1]], replace=replace)
    assert line.startswith(f"{case.images[0]}: is read here")


def test_an_image_of_another_part_is_not_replaced_either(predict, write_image):
    first, second = write_image("a", volume()), write_image("a_0000", volume())  # whose label map is a_0000.nii.gz
    (line,) = refused(predict, first.images[0].parent, [second], beside=[first, second], replace=True)
    assert line.startswith(f"{first.images[0]}: is read here")


def test_the_spacing_beside_a_tiff_is_not_replaced(bundle, predict, write_image, tmp_path):
    case = write_image("a", volume(), ending=".tif")
    (tmp_path / "images" / "a.json").write_text('{"spacing": [1, 1, 1], "scanner": "theirs"}')
    model = bundle("tiff", ending=".tif")
    (line,) = refused(predict, tmp_path / "images", [case], models=(model,), replace=True)
    assert line.startswith(f"{tmp_path / 'images' / 'a.json'}: is read here")


def test_a_label_map_corrected_by_hand_is_kept(predict, images, tmp_path):
    out = tmp_path / "out"
    predict(out, images)
    predict(out, images)  # nothing has changed: replaced without a word
    label = read_label(out / "a.nii.gz")
    write_label(tmp_path / "corrected.nii.gz", 1 - (label.array > 0).astype(np.uint8), label.geometry)
    by_hand = (tmp_path / "corrected.nii.gz").read_bytes()
    (out / "a.nii.gz").write_bytes(by_hand)
    (line,) = refused(predict, out, images)
    assert line.startswith(f"{out / 'a.nii.gz'}: has changed since nnplug wrote it")
    predict(out, images, resume=True)
    assert (out / "a.nii.gz").read_bytes() == by_hand
    (line,) = refused(predict, out, images, resume=True, step=1.0)  # nothing is finished with other settings
    assert line.startswith(f"{out / 'a.nii.gz'}: has changed since nnplug wrote it")
    predict(out, images, replace=True)
    assert (out / "a.nii.gz").read_bytes() != by_hand


def test_label_maps_of_others_need_leave(predict, images, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("b.nii.gz", "plans.json", "a.npz", "predictions.jsonl"):
        (out / name).write_text("theirs")
    found = refused(predict, out, images, save_probabilities=True)
    assert {line.split(":")[0] for line in found} == {str(file) for file in out.iterdir()}
    assert all("nnplug did not write it" in line for line in found)
    predict(out, images, save_probabilities=True, replace=True)
    predict(out, images, save_probabilities=True)


def test_a_folder_of_an_older_version_is_known_by_its_predictions(predict, images, tmp_path):
    predict(tmp_path / "out", images[:1])
    (tmp_path / "out" / LOG).unlink()
    predict(tmp_path / "out", images[:1])
    (tmp_path / "out" / LOG).unlink()
    shutil.copy(tmp_path / "out" / "a.nii.gz", tmp_path / "out" / "b.nii.gz")
    (line,) = refused(predict, tmp_path / "out", images)
    assert line.startswith(f"{tmp_path / 'out' / 'b.nii.gz'}: is there, and nnplug did not write it")


@pytest.mark.parametrize("replace", [False, True])
def test_the_description_of_another_dataset_is_never_replaced(predict, images, tmp_path, replace):
    (tmp_path / "out").mkdir()
    description = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz"}
    (tmp_path / "out" / "dataset.json").write_text(json.dumps(description))
    (line,) = refused(predict, tmp_path / "out", images, replace=replace)
    assert "dataset.json: belongs to another dataset" in line


def test_the_description_of_the_same_dataset_stays_as_it_is(predict, images, tmp_path):
    (tmp_path / "out").mkdir()
    raw = json.loads((predict.model / "dataset.json").read_text())
    (tmp_path / "out" / "dataset.json").write_text(text := json.dumps(raw, indent=5))
    predict(tmp_path / "out", images)
    assert (tmp_path / "out" / "dataset.json").read_text() == text


def test_models_are_no_places_for_predictions(predict, images, make_run, tmp_path):
    run = make_run(0)
    nnunet = tmp_path / "nnunet"
    (nnunet / "fold_0").mkdir(parents=True)
    (nnunet / "fold_0" / "checkpoint_final.pth").write_text("")
    for folder, words in (
        (run.path, "is the folder of a training"),
        (run.path.parent, "holds the trainings of a configuration"),
        (nnunet, "holds a model of nnU-Net v2"),
        (predict.model, "is a bundle, which would be damaged"),
        (predict.model / "inside", f"lies in the bundle {predict.model}"),
    ):
        (line,) = refused(predict, folder, images, replace=True)
        assert words in line


def test_label_maps_of_the_previous_stage_are_read_too(make_predictor, write_image, tmp_path):
    case = write_image("a", volume())
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "a.nii.gz").write_bytes(b"label map")
    ensemble = LoadedModel((make_predictor(),))
    with pytest.raises(Problems, match=r"a\.nii\.gz: is read here"):
        predict_folder(
            ensemble,
            [case],
            tmp_path / "before",
            PredictOptions(previous=tmp_path / "before", replace=True),
            progress=Silent(),
        )
    assert [file.name for file in (tmp_path / "before").iterdir()] == ["a.nii.gz"]


@pytest.mark.parametrize(
    ("file", "raw", "changes"),
    [
        ("a.nii.gz", {}, {}),
        ("a.mha", {}, {"file_ending": ".mha"}),
        ("a.nii.gz", {"overwrite_image_reader_writer": "SimpleITKIO"}, {}),
        ("a.nii.gz", {"overwrite_image_reader_writer": "NibabelIOWithReorient"}, {"reader": "simpleitk"}),
        ("a.png", {"reader": "lab"}, {"reader": "simpleitk", "file_ending": ".png"}),
    ],
)
def test_the_description_of_predictions_names_their_format_and_reader(file, raw, changes):
    raw = {"file_ending": ".nii.gz", **raw}
    assert output_description(raw, [CaseFiles("a", (Path(file),))]) == {**raw, **changes}
    assert output_description(raw, []) == raw
