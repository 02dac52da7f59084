"""The inference of a prediction: of the plans, of the user, and of models that are older than the kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnplug.errors import InvalidOptions, MissingProvider, NnplugError, UnknownComponent
from nnplug.inference.choose_inference import check_inference
from nnplug.inference.folder import predict_folder
from nnplug.inference.jobs import predict_cases
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.options import PredictOptions
from nnplug.io.images import read_image, read_label
from nnplug.plans.plans import Choice
from nnplug.registry.components import Kind
from nnplug.registry.provenance import Provider, record
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent


def volume(seed=0, shape=(13, 22, 19)):
    return np.random.default_rng(seed).normal(50, 20, shape).astype(np.float32)


@pytest.fixture
def planned(make_model, plugins):
    """`planned("whole-image", step=..)`: a model whose plans name an inference."""

    def make(name, **options):
        model = make_model(choices={Kind.INFERENCE: Choice(name=name, options=options)})
        entry = plugins.registry.get(Kind.INFERENCE, name)
        return replace(model, providers=(*model.providers, *record([entry])))

    return make


@pytest.fixture
def logits(make_predictor, write_image):
    image = read_image(write_image("x", volume()).images)

    def predict(model, **options):
        loaded = make_predictor(model, **options)
        return loaded.logits(loaded.prepare(image)).values, loaded.label_map(loaded.prepare(image))

    return predict


def test_a_model_without_a_name_is_predicted_with_windows(make_model, planned, logits, make_predictor):
    older, named = make_model(), planned("sliding-window")
    assert make_predictor(older).inference == make_predictor(named).inference == ["sliding-window", {}, 1]
    for ours, theirs in zip(logits(older), logits(named), strict=True):
        assert np.array_equal(ours, theirs)


def test_the_plans_choose_and_the_user_wins(planned, logits):
    windows, whole = planned("sliding-window", step=1.0), planned("whole-image")
    wide, once = logits(windows)[0], logits(whole)[0]
    assert not np.array_equal(wide, once)
    assert np.array_equal(logits(windows, inference="whole-image")[0], once)
    assert np.array_equal(logits(whole, inference="sliding-window", step=1.0)[0], wide)
    assert np.array_equal(logits(windows, inference="sliding-window")[0], wide)  # options of the plans stay
    assert not np.array_equal(logits(windows, inference_options={"step": 0.5})[0], wide)


def test_a_label_map_without_slabs_is_that_of_the_logits(planned, make_predictor, write_image):
    loaded = make_predictor(planned("whole-image"))
    prepared = loaded.prepare(read_image(write_image("x", volume()).images))
    expected = loaded.logits(prepared).label_map(loaded.member.description.labels)
    assert np.array_equal(loaded.label_map(prepared), expected)
    assert len(np.unique(expected)) > 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"inference": "whole-imag"},
            UnknownComponent,
            "no inference is called 'whole-imag'. Did you mean",
        ),
        ({"inference": "whole-image", "step": 0.5}, InvalidOptions, "inference 'whole-image' has no option 'step'"),
        ({"step": 1.5}, InvalidOptions, "step is 1.5; it must be above 0 and at most 1"),
        ({"inference_options": {"stride": 1}}, InvalidOptions, "inference 'sliding-window' has no option 'stride'"),
    ],
)
def test_what_cannot_be_chosen_is_told_before_images_are_read(bundle, plugins, tmp_path, options, error, message):
    chosen = PredictOptions(models=(bundle("m"),), **options)
    with pytest.raises(error, match=message):
        predict_cases([], tmp_path / "out", chosen, Runtime(plugins, LocalExecutor(1), "cpu"))
    assert not (tmp_path / "out").exists()


def test_a_missing_inference_is_named_and_another_may_be_chosen(make_model, plugins, make_predictor):
    model = make_model(choices={Kind.INFERENCE: Choice(name="gone")})
    gone = Provider(
        kind=Kind.INFERENCE,
        name="gone",
        target="gone:Gone",
        plugin="gone",
        distribution="nnplug-gone",
        version="1.0",
        state_version=1,
    )
    model = replace(model, providers=(*model.providers, gone))
    with pytest.raises(MissingProvider, match="needs inference 'gone' .* Run: pip install 'nnplug-gone==1.0'"):
        make_predictor(model)
    assert make_predictor(model, inference="whole-image").inference == ["whole-image", {}, 1]


def test_a_bundle_ships_the_choice(bundle, plugins, make_model):
    choice = Choice(name="whole-image")
    options = PredictOptions(models=(bundle("m", choices={Kind.INFERENCE: choice}),))
    assert options.model.plans.choices[Kind.INFERENCE] == choice
    check_inference(options, plugins)


def test_finished_cases_of_another_inference_are_predicted_again(make_predictor, write_image, tmp_path):
    case, out = write_image("a", volume()), tmp_path / "out"

    def predict(**options):
        model = LoadedModel((make_predictor(**options),))
        predict_folder(model, [case], out, PredictOptions(resume=True), progress=Silent())
        return read_label(out / "a.nii.gz").array, (out / "a.nii.gz").stat().st_mtime_ns

    first, written = predict()
    assert predict()[1] == written
    again, later = predict(inference="whole-image")
    assert later > written
    assert again.shape == first.shape


def test_an_image_that_cannot_be_predicted_leaves_the_others(make_predictor, write_image, tmp_path, monkeypatch):
    member = make_predictor(inference="whole-image")
    check = member._attempts.inference.context.check_size

    def narrow(size):
        check(size)
        if size[-1] > 16:
            raise NnplugError("too wide")

    context = replace(member._attempts.inference.context, check_size=narrow)
    monkeypatch.setattr(member._attempts, "inference", replace(member._attempts.inference, context=context))
    cases = [write_image("small", volume(shape=(9, 12, 8))), write_image("wide", volume(shape=(9, 12, 40)))]
    with pytest.raises(NnplugError, match=r"wide: an image of .* voxels in one pass: too wide"):
        predict_folder(LoadedModel((member,)), cases, tmp_path / "out", PredictOptions(), progress=Silent())
    assert (tmp_path / "out" / "small.nii.gz").is_file()
