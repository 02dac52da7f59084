"""`nnplug.Predictor`: the models of the command, for arrays."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

import nnplug
from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidFile, MissingProvider, NnplugError
from nnplug.io.images import read_image

SPACING = (2.0, 1.1, 0.8)


def volume(seed=0, shape=(1, 6, 12, 11)):
    return np.random.default_rng(seed).normal(50, 20, shape)


def test_arrays_and_files_give_the_same(bundle, make_predictor, make_model, write_image):
    predictor = nnplug.Predictor(bundle("a.zip", folds=2), device="cpu")
    case = write_image("x", volume()[0].astype(np.float32))
    image = read_image(case.images)
    expected = make_predictor(make_model(folds=2)).predict(image)
    assert np.array_equal(predictor.predict(image.array, image.geometry.spacing), expected)
    found = predictor.predict_files(*case.images)
    assert np.array_equal(found.array, expected)
    assert found.geometry == image.geometry
    assert (predictor.channels, predictor.labels) == (("MR0",), {"background": (0,), "a": (1,), "b": (2,)})


def test_labels_are_the_largest_probabilities_of_the_ensemble(bundle):
    one, two = bundle("a", seed=1), bundle("b", seed=2)
    together = nnplug.Predictor(one, two, device="cpu", mirroring=False)
    alone = [
        nnplug.Predictor(path, device="cpu", mirroring=False).probabilities(volume(), SPACING) for path in (one, two)
    ]
    mean = together.probabilities(volume(), SPACING)
    np.testing.assert_allclose(mean, (alone[0] + alone[1]) / 2, atol=1e-6)
    assert np.array_equal(together.predict(volume(), SPACING), mean.argmax(0))


def test_a_budget_of_gpu_memory_holds_while_it_loads_and_predicts(bundle, monkeypatch):
    events = []

    @contextmanager
    def budget(device, gigabytes):
        events.append(gigabytes)
        yield
        events.append("undone")

    monkeypatch.setattr("nnplug.runtime.device.memory_budget", budget)
    predictor = nnplug.Predictor(bundle("a"), device="cpu", gpu_memory_gb=3)
    assert events == [3, "undone"]
    predictor.predict(volume(), SPACING)
    assert events == [3, "undone"] * 2
    nnplug.Predictor(bundle("b"), device="cpu").predict(volume(), SPACING)
    assert len(events) == 4


def test_threads_may_share_one(bundle):
    predictor = nnplug.Predictor(bundle("a", folds=2), device="cpu", mirroring=False)
    images = [volume(seed) for seed in range(4)]
    expected = [predictor.predict(image, SPACING) for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: predictor.predict(image, SPACING), images))
    assert all(map(np.array_equal, found, expected))


def test_an_image_of_zeros_is_background(bundle):
    predictor = nnplug.Predictor(bundle("a"), device="cpu")
    nothing = np.zeros((1, 3, 4, 5), np.int16)
    assert not predictor.predict(nothing, SPACING).any()
    assert (predictor.probabilities(nothing, SPACING)[0] == 1).all()


@pytest.mark.parametrize(
    ("shape", "spacing", "message"),
    [
        ((1, 0, 24, 20), (1, 1, 1), r"of shape \(1, 0, 24, 20\) .*; expected \(C, z, y, x\)"),
        (
            (6, 12, 11),
            SPACING,
            r"of shape \(6, 12, 11\) with spacing \(2.0, 1.1, 0.8\); expected \(C, z, y, x\)",
        ),
        ((1, 6, 12, 11), (1.0, 1.0), "a length above 0 in mm for each spatial axis"),
        ((1, 6, 12, 11), (1.0, 0.0, 1.0), "a length above 0 in mm"),
        ((2, 6, 12, 11), SPACING, "the image has 2 channels, expected 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(bundle, shape, spacing, message):
    with pytest.raises(NnplugError, match=message):
        nnplug.Predictor(bundle("a"), device="cpu").predict(np.ones(shape), spacing)


def test_nested_lists_are_arrays_and_other_things_are_refused(bundle):
    predictor, image = nnplug.Predictor(bundle("a"), device="cpu"), volume(shape=(1, 3, 4, 5))
    assert np.array_equal(predictor.predict(image.tolist(), SPACING), predictor.predict(image, SPACING))
    with pytest.raises(NnplugError, match="the image is no array of numbers"):
        predictor.predict([[1.0], [2.0, 3.0]], SPACING)


def test_a_missing_plugin_is_the_line_for_pip(bundle):
    with pytest.raises(MissingProvider, match="this model needs .* blocked"):
        nnplug.Predictor(bundle("a"), device="cpu", plugins=nnplug.Plugins(block=["nnunet"]))


def test_2d_arrays_give_2d_label_maps(bundle):
    from nnplug.contracts import Topology
    from nnplug.plans.plans import Choice

    topology = Topology(strides=((1, 1), (2, 2)), kernel_sizes=((3, 3),) * 2, features_per_stage=(4, 8))
    options = nnplug.Plugins().registry.get(nnplug.Kind.ARCHITECTURE, "plain-conv-unet").load().options_for(topology)
    flat = {
        "architecture": Choice(name="plain-conv-unet", options=json.loads(json.dumps(options))),
        "spacing": (1.0, 1.0),
        "patch_size": (16, 16),
        "median_shape": (16.0, 16.0),
    }
    identity = {"transpose_forward": (0, 1, 2), "transpose_backward": (0, 1, 2)}
    predictor = nnplug.Predictor(bundle("a", configuration=flat, **identity), device="cpu", mirroring=False)
    image = volume(shape=(1, 20, 23))
    assert predictor.predict(image, (1.2, 0.9)).shape == (20, 23)
    assert predictor.probabilities(image, (1.2, 0.9)).shape == (3, 20, 23)


def test_a_case_comes_with_what_writers_record(bundle, write_image):
    predictor = nnplug.Predictor(bundle("a.zip"), device="cpu")
    case = write_image("x", volume()[0].astype(np.float32))
    passes = []
    predicted = predictor.predict_case(case, report=lambda: passes.append(1))
    found = predictor.predict_files(*case.images)
    assert np.array_equal(predicted.label_map.array, found.array)
    assert predicted.label_map.geometry == found.geometry
    assert (predicted.case, predicted.model) == (case, "Dataset001_A nnunet 3d_fullres")
    assert predicted.description == predictor.model.description
    assert len(passes) > 1
    assert {entry.name for entry in predictor.readers.entries} >= {"simpleitk"}


def test_a_report_ends_a_prediction(bundle, write_image):
    predictor = nnplug.Predictor(bundle("a"), bundle("b", seed=1), device="cpu")
    case = write_image("x", volume()[0].astype(np.float32))
    expected = predictor.predict_files(*case.images).array

    def stop():
        raise NnplugError("nobody needs it")

    with pytest.raises(NnplugError, match="nobody needs it"):
        predictor.predict_case(case, report=stop)
    assert np.array_equal(predictor.predict_case(case).label_map.array, expected)


def test_channels_and_voxels_of_a_case_are_checked(bundle, write_image):
    predictor = nnplug.Predictor(bundle("a"), device="cpu")
    case = write_image("x", volume()[0].astype(np.float32))
    case.images[0].rename(case.images[0].with_name("x_0001.nii.gz"))
    missing = CaseFiles("x", (case.images[0].with_name("x_0001.nii.gz"),))
    with pytest.raises(InvalidFile, match=r"x_0000\.nii\.gz is missing; add the channel"):
        predictor.predict_case(missing)
    holed = volume()[0].astype(np.float32)
    holed[0, 0, 0] = np.nan
    with pytest.raises(InvalidFile, match=r"1 voxels are NaN or infinite"):
        predictor.predict_case(write_image("y", holed))
