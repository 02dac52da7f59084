"""Predictions that overflow or do not fit the memory: they are repeated in another way, and told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nnplug.contracts import InferenceContext
from nnplug.errors import NnplugError, OutOfResources
from nnplug.inference.fitting.attempts import Reports
from nnplug.io.images import read_image

IMAGE = np.random.default_rng(0).normal(size=(1, 20, 12, 11)).astype(np.float32)
ONE_WINDOW = (
    "the device 'cpu' has too little memory for one window of 8 x 8 x 8 voxels with 1 channels and 3 outputs; the "
    "image has 13 x 27 x 9 voxels; close other programs on the GPU, raise gpu_memory_gb if you give it, or predict on "
    "the CPU"
)


class Notices:
    """A progress that keeps its notices."""

    def __init__(self):
        self.told = []

    def notice(self, message):
        self.told.append(str(message))

    warning = notice


@pytest.fixture
def prepared(write_image):
    def make(predictor):
        image = write_image("a", IMAGE[0] + 5)
        return predictor.prepare(read_image(image.images))

    return make


TENSOR = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ..")
LIBRARY = RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")


def short_of_memory(monkeypatch, predictor, at_once, error=TENSOR):
    """Let the network run out of memory for more windows at once."""
    module, seen = predictor._network.module, []
    forward = module.forward

    def limited(windows):
        seen.append(len(windows))
        if len(windows) > at_once:
            raise error
        return forward(windows)

    monkeypatch.setattr(module, "forward", limited)
    return seen


@pytest.mark.parametrize(("method", "error"), [("label_map", TENSOR), ("logits", TENSOR), ("label_map", LIBRARY)])
def test_batches_are_halved_until_they_fit_and_stay_so(
    make_model, make_predictor, prepared, monkeypatch, method, error
):
    wide = {"configuration": {"batch_size": 6}}
    usual, progress = make_predictor(make_model(**wide)), Notices()
    case = prepared(usual)
    predictor = make_predictor(make_model(**wide), progress=progress)
    seen, reports = short_of_memory(monkeypatch, predictor, 1, error), []
    passes = predictor.passes(case.image.shape[1:])
    found = getattr(predictor, method)(case, report=lambda: reports.append(1))
    assert seen[:3] == [6, 3, 1]
    assert len(reports) == passes
    seen.clear()
    getattr(predictor, method)(case)
    assert set(seen) == {1}, "the second image begins with the batch that fits"
    expected = getattr(usual, method)(case)
    values = [one if method == "label_map" else one.values.numpy() for one in (found, expected)]
    np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-5)
    assert progress.told == [
        "the device has too little free memory for 6 windows at once; from here on it predicts 1 at once"
    ]


def test_then_sums_go_to_the_host(make_model, make_predictor, prepared, monkeypatch):
    usual, progress = make_predictor(), Notices()
    case = prepared(usual)
    predictor = make_predictor(progress=progress)

    def device_for(context, _):
        if context.sums_on_device:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.device("cpu")

    expected = usual.label_map(case)
    monkeypatch.setattr(InferenceContext, "device_for", device_for)
    assert np.array_equal(predictor.label_map(case), expected)
    assert np.array_equal(predictor.label_map(case), expected)
    assert progress.told == [
        "the device has too little free memory for 2 windows at once; from here on it predicts 1 at once",
        "the device has too little free memory for the sums of windows; from here on they are on the CPU",
    ]


def test_too_little_memory_for_one_window_is_one_line_with_the_sizes(make_predictor, prepared, monkeypatch):
    predictor = make_predictor()
    case = prepared(predictor)
    short_of_memory(monkeypatch, predictor, 0)
    with pytest.raises(OutOfResources) as told:
        predictor.label_map(case)
    assert str(told.value) == ONE_WINDOW


@pytest.mark.parametrize("error", [TENSOR, RuntimeError("CUDA error: out of memory")], ids=["tensor", "context"])
def test_too_little_memory_for_the_network_is_one_line(make_model, make_predictor, monkeypatch, error):
    def built(*_, **__):
        raise error

    monkeypatch.setattr("nnplug.inference.member.MemberNetwork", built)
    with pytest.raises(OutOfResources, match=r"^the device 'cpu' has too little memory for one window of 8 x 8 x 8"):
        make_predictor(make_model())


def scaled(model, factor):
    """Scale the last layer's weights, so that logits keep their order and leave the range of float16."""
    for file in model.weights:
        state = load_file(file)
        head = [name for name, value in state.items() if value.shape[0] == 3]
        assert head
        save_file({name: value * factor if name in head else value for name, value in state.items()}, file)
    return model


def on_a_gpu_in(monkeypatch, half):
    """Let networks predict in half precision, as on a GPU."""
    monkeypatch.setattr("nnplug.models.network.prediction_dtype", lambda *_: half)


@pytest.mark.parametrize("folds", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_windows_that_overflow_float16_are_computed_again_in_float32(
    make_model, make_predictor, prepared, monkeypatch, folds
):
    model, progress = scaled(make_model(folds=folds), 3e5), Notices()
    case = prepared(make_predictor(model))
    expected = make_predictor(model).label_map(case)
    on_a_gpu_in(monkeypatch, torch.float16)
    predictor, reports = make_predictor(model, progress=progress), []
    found = predictor.label_map(case, case="a", report=lambda: reports.append(1))
    assert len(reports) == predictor.passes(case.image.shape[1:])
    assert (found == expected).mean() > 0.99
    assert len(np.unique(expected)) > 1
    again = predictor.label_map(case, case="b")
    assert np.array_equal(again, found)
    first, second = progress.told
    assert first.startswith("a: ")
    assert second.startswith("b: ")
    assert first.endswith(" windows and mirror images are not finite in float16; they are computed again in float32")


def test_nothing_is_repeated_without_an_overflow(make_model, make_predictor, prepared, monkeypatch):
    on_a_gpu_in(monkeypatch, torch.float16)
    progress = Notices()
    predictor = make_predictor(progress=progress)
    case, forward, calls = prepared(predictor), predictor._network.module.forward, []
    monkeypatch.setattr(predictor._network.module, "forward", lambda x: (calls.append(1), forward(x))[1])
    predictor.label_map(case)
    images = 4  # mirrored along two axes
    assert len(calls) == images * predictor.passes(case.image.shape[1:])
    assert progress.told == []


def test_a_network_that_overflows_float32_too_is_an_error(make_model, make_predictor, prepared, monkeypatch):
    model = scaled(make_model(), torch.nan)
    case = prepared(make_predictor(model))
    on_a_gpu_in(monkeypatch, torch.float16)
    with pytest.raises(NnplugError, match="the network gave values that are not finite"):
        make_predictor(model).label_map(case)
    with pytest.raises(NnplugError, match="the network gave values that are not finite"):
        make_predictor(model).logits(case)


def test_reports_of_several_attempts_are_those_of_one():
    told = []
    reports = Reports(lambda: told.append(1), 3)
    for calls in (2, 1, 5):
        reports.restart()
        for _ in range(calls):
            reports()
    assert len(told) == 3
