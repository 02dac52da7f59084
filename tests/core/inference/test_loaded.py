"""Several models in one prediction: the same as ensembling what each has stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nnplug import Plugins
from nnplug.errors import NnplugError, Problems
from nnplug.inference.averaging import ensemble_folders
from nnplug.inference.folder import predict_folder
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.options import PredictOptions
from nnplug.io.images import read_geometry, read_image, read_label
from nnplug.models.open import Model, _check_comparable
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent

CPU = torch.device("cpu")
REGIONS = {"background": 0, "whole": [1, 2], "core": 2}
IDENTITY = {"transpose_forward": (0, 1, 2), "transpose_backward": (0, 1, 2)}


def volume(seed, shape=(6, 12, 11)):
    array = np.zeros(shape, np.float32)
    array[1:-1, 2:-3, 1:-2] = np.random.default_rng(seed).normal(50, 20, array[1:-1, 2:-3, 1:-2].shape)
    return array


@pytest.fixture(params=["classes", "regions"])
def members(request, make_predictor, make_model):
    """Two models with other spacings and axes."""
    labels = {"labels": REGIONS} if request.param == "regions" else {}
    one = make_model(seed=1, folds=2, **labels)
    other = make_model(seed=5, configuration={"spacing": (2.5, 0.9, 1.3)}, **labels, **IDENTITY)
    return make_predictor(one), make_predictor(other)


def cases(write_image):
    return [write_image("a", volume(0)), write_image("b", volume(1)), write_image("zero", 0 * volume(1))]


@pytest.mark.parametrize("stored", ["save_probabilities", "save_logits"])
def test_predicting_together_equals_ensembling_what_was_stored(members, write_image, tmp_path, stored):
    images = cases(write_image)
    together = LoadedModel(members)
    predict_folder(together, images, tmp_path / "together", PredictOptions(save_probabilities=True), progress=Silent())
    for name, member in zip("AB", members, strict=True):
        predict_folder(
            LoadedModel((member,)), images, tmp_path / name, PredictOptions(**{stored: True}), progress=Silent()
        )
    run = {"runtime": Runtime(Plugins(), LocalExecutor(1))}
    ensemble_folders([tmp_path / "A", tmp_path / "B"], tmp_path / "C", save_probabilities=True, **run)
    for case in images:
        ours, theirs = (np.load(tmp_path / f / f"{case.name}.npz")["probabilities"] for f in ("together", "C"))
        np.testing.assert_allclose(ours, theirs, atol=1e-6 if stored == "save_probabilities" else 2e-3)
        label = read_label(tmp_path / "together" / f"{case.name}.nii.gz")
        assert label.geometry == read_geometry(case.images[0])
        same = label.array == read_label(tmp_path / "C" / f"{case.name}.nii.gz").array
        assert same.mean() > 0.999
        assert label.array.any() == (case.name != "zero")
    single = [read_label(tmp_path / name / "a.nii.gz").array for name in "AB"]
    assert not np.array_equal(*single)


def test_nothing_but_results_is_left_in_the_folder(members, write_image, tmp_path):
    predict_folder(
        LoadedModel(members), [write_image("a", volume(0))], tmp_path / "out", PredictOptions(), progress=Silent()
    )
    left = {file.name for file in (tmp_path / "out").glob("[!.]*")}
    assert left == {"a.nii.gz", "plans.json", "dataset.json", "predictions.jsonl"}


def test_a_bad_case_is_told_once_and_the_next_predicted(members, write_image, tmp_path):
    bad, good = write_image("bad", volume(0), volume(0)), write_image("good", volume(1))
    with pytest.raises(Problems) as problems:
        predict_folder(LoadedModel(members), [bad, good], tmp_path / "out", PredictOptions(), progress=Silent())
    (line,) = problems.value.lines
    assert line.startswith(f"bad: {bad.images[0]}: the image has 2 channels")
    assert (tmp_path / "out" / "good.nii.gz").is_file()


def test_an_ensemble_has_no_logits_to_store(members, write_image, tmp_path):
    with pytest.raises(NnplugError, match="has no logits; save those of each model by itself"):
        predict_folder(
            LoadedModel(members),
            cases(write_image),
            tmp_path / "out",
            PredictOptions(save_logits=True),
            progress=Silent(),
        )
    assert not (tmp_path / "out").exists()


def test_continuing_sees_another_member(make_model, make_predictor, write_image, tmp_path):
    one, two, three = (make_predictor(make_model(seed=seed)) for seed in (1, 2, 3))
    case, out = write_image("a", volume(0)), tmp_path / "out"
    predict_folder(LoadedModel((one, two)), [case], out, PredictOptions(), progress=Silent())

    def written(*members):
        before = (out / "a.nii.gz").stat().st_mtime_ns
        predict_folder(LoadedModel(members), [case], out, PredictOptions(resume=True), progress=Silent())
        return (out / "a.nii.gz").stat().st_mtime_ns != before

    assert not written(one, two)
    assert written(one, three)


def test_one_member_labels_as_it_does_alone(make_model, plugins, write_image):
    model = make_model()
    ensemble = LoadedModel.load(Model((model,)), Runtime(plugins, device="cpu"), PredictOptions())
    image = read_image(write_image("a", volume(0)).images)
    (member,) = ensemble.members
    output = member.logits(member.prepare(image))
    assert np.array_equal(ensemble.label_map([output], image.geometry), member.predict(image))


def test_models_of_other_labels_are_refused(make_model):
    one, other = make_model().description, make_model(seed=1, labels={"background": 0, "c": 1, "b": 2}).description
    with pytest.raises(NnplugError, match="models of different labels cannot be averaged"):
        _check_comparable(one, other)
    with pytest.raises(NnplugError, match="models of different channel_names cannot"):
        _check_comparable(one, replace(one, channel_names=("CT",)))
