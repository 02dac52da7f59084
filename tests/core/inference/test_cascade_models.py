"""Models of two stages: opened from runs and bundles, and predicting one after the other."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nnplug.contracts import Topology
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, NnplugError
from nnplug.inference.member import LoadedMember
from nnplug.inference.options import PredictOptions
from nnplug.io.images import Geometry, Image
from nnplug.models.bundle import read_bundle, write_bundle
from nnplug.models.open import Member, open_member, open_model, open_stage
from nnplug.ops.one_hot import one_hot
from nnplug.plans.plans import Choice
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import record
from nnplug.registry.runtime import Runtime
from nnplug.workspace.layout import RunFolder

LABELS = {"background": 0, "a": 1, "b": 2}
CASCADE = "3d_cascade_fullres"
ONE = (1.0, 1.0, 1.0)


@pytest.fixture
def cascade_plans(plans):
    full = plans.configurations["3d_fullres"]
    low = msgspec.structs.replace(full, spacing=(2.0, 2.5, 2.0), next_stage=CASCADE)
    refining = msgspec.structs.replace(full, previous_stage="3d_lowres")
    return msgspec.structs.replace(plans, configurations={"3d_lowres": low, CASCADE: refining})


@pytest.fixture
def make_runs(make_run, cascade_plans, tmp_path):
    """Finished runs of both stages beside each other; gives the folder of the second."""

    def make(lowres=(0, 1), cascade=(0, 1)):
        for name, folds in (("3d_lowres", lowres), (CASCADE, cascade)):
            own = cascade_plans.only(name)
            for fold in folds:
                run = make_run(fold, configuration=name, plans_digest=own.digest())
                own.write(run.plans)
                target = tmp_path / "cascade" / name / run.path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(run.path, target)
        return tmp_path / "cascade" / CASCADE

    return make


def values(model):
    return [load_file(file)["w"][0].item() for file in model.weights]


def test_the_stage_before_comes_with_its_final_weights_of_all_folds(make_runs):
    (model,) = open_model(make_runs(lowres=(0, 1, 2, "all")), folds=["1"], weights="best").members
    assert (model.configuration, values(model)) == (CASCADE, [1.5])
    assert (model.previous.configuration, values(model.previous)) == ("3d_lowres", [0.0, 1.0, 2.0])
    assert [stage.configuration for stage in model.stages] == [CASCADE, "3d_lowres"]


def test_a_stage_opens_alone_and_the_first_stage_as_any_model(make_runs):
    folder = make_runs()
    assert open_stage(folder / "fold_1").members[0].previous is None
    assert open_member(folder.parent / "3d_lowres").previous is None


def test_runs_without_those_of_the_stage_before_are_refused(make_runs, tmp_path):
    folder = make_runs()
    shutil.rmtree(folder.parent / "3d_lowres")
    with pytest.raises(
        NnplugError, match=r"fold_0: refines predictions of '3d_lowres', whose runs are not in .*lowres"
    ):
        open_model(folder)
    with pytest.raises(NnplugError, match="or use a bundle, which holds both"):
        write_bundle([RunFolder(folder / "fold_0")], tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_bundle_holds_both_stages_and_needs_nothing_else(make_runs, tmp_path, name):
    folder = make_runs(lowres=(0, 1, 2))
    write_bundle([RunFolder(folder / "fold_0"), RunFolder(folder / "fold_1")], tmp_path / name, weights="best")
    shutil.rmtree(folder.parent)
    (model,) = open_model(tmp_path / name, weights="best").members
    assert (model.configuration, values(model)) == (CASCADE, [0.5, 1.5])
    assert (model.previous.configuration, values(model.previous)) == ("3d_lowres", [0.0, 1.0, 2.0])


def test_a_bundle_verifies_the_stage_before(make_runs, tmp_path):
    write_bundle([RunFolder(make_runs() / "fold_0")], tmp_path / "b")
    assert [stage.record.configuration for stage in read_bundle(tmp_path / "b").stages] == [CASCADE, "3d_lowres"]
    (tmp_path / "b" / "previous" / "fold_1" / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(NnplugError, match=r"previous/fold_1/weights.safetensors: has sha256"):
        open_model(tmp_path / "b")


def test_a_bundle_of_the_last_stage_alone_is_refused(make_runs, tmp_path):
    write_bundle([RunFolder(make_runs() / "fold_0")], tmp_path / "b")
    shutil.rmtree(tmp_path / "b" / "previous")
    index = tmp_path / "b" / "bundle.json"
    data = json.loads(index.read_text())
    data["sha256"] = {name: value for name, value in data["sha256"].items() if "previous" not in name}
    index.write_text(json.dumps(data))
    with pytest.raises(InvalidFile, match=r"b/previous: is missing; the model refines predictions of '3d_lowres'"):
        open_model(tmp_path / "b")


@pytest.fixture
def cascade(cascade_plans, tmp_path):
    """Two stages with random weights: a model that predicts."""
    registry = Plugins().registry
    topology = Topology(strides=((1,) * 3, (2,) * 3), kernel_sizes=((3,) * 3,) * 2, features_per_stage=(4, 8))
    options = registry.get(Kind.ARCHITECTURE, "plain-conv-unet").load().options_for(topology)
    choice = Choice(name="plain-conv-unet", options=json.loads(json.dumps(options)))
    configurations = {
        name: msgspec.structs.replace(configuration, architecture=choice)
        for name, configuration in cascade_plans.configurations.items()
    }
    forward = {"transpose_forward": (1, 0, 2), "transpose_backward": (1, 0, 2)}
    own = msgspec.structs.replace(cascade_plans, configurations=configurations, **forward)
    raw = {"channel_names": {"0": "MR"}, "labels": LABELS, "numTraining": 2, "file_ending": ".nii.gz"}
    description = DatasetDescription.from_data(raw, "dataset.json")
    providers = record([registry.get(Kind.ARCHITECTURE, "plain-conv-unet"), registry.get(Kind.NORMALIZER, "zscore")])
    model = None
    for seed, name in enumerate(configurations):
        torch.manual_seed(seed)
        channels = configurations[name].input_channels(description)
        network = registry.create(Kind.ARCHITECTURE, choice.name, choice.options).build(channels=channels, outputs=3)
        save_file(network.state_dict(), tmp_path / f"{name}.safetensors")
        weights = (tmp_path / f"{name}.safetensors",)
        model = Member(own, description, name, weights, (0, 2), providers, previous=model)
    return model


def predictor(model):
    return LoadedMember(model, Runtime(Plugins(), device="cpu"), PredictOptions())


def image(seed=0):
    array = np.zeros((1, 12, 14, 13), np.float32)
    array[0, 1:-1, 2:-3, 1:-2] = np.random.default_rng(seed).normal(50, 20, (10, 9, 10))
    return Image(array, Geometry(array.shape[1:], ONE, ONE, (0.0,) * 3, (1.0, 0, 0, 0, 1, 0, 0, 0, 1)))


def test_the_first_stage_predicts_and_the_second_gets_its_label_map(cascade):
    both, first = predictor(cascade), predictor(cascade.previous)
    label_map = first.predict(image())
    assert len(np.unique(label_map)) > 1
    prepared = both.prepare(image())
    assert prepared.image.shape[1:] == (9, 10, 10)
    box = prepared.info["bounding_box"]
    inside = label_map.transpose(1, 0, 2)[tuple(slice(*sides) for sides in box)]
    assert np.array_equal(np.maximum(prepared.image[-1], 0), inside)  # both have a spacing of 1 mm
    refined = both.logits(prepared).label_map(both.member.description.labels)
    assert np.array_equal(both.predict(image()), refined)
    assert not np.array_equal(refined, label_map)


def test_the_network_gets_the_label_map_one_hot(cascade, monkeypatch):
    both = predictor(cascade)
    seen = []
    forward = both._network.module.forward
    monkeypatch.setattr(both._network.module, "forward", lambda x: (seen.append(x), forward(x))[1])
    patch = both.configuration.patch_size
    channels = np.zeros((2, *patch), np.float32)
    channels[0] = np.random.default_rng(0).normal(size=patch)
    channels[1] = np.random.default_rng(1).integers(-1, 3, patch)
    both.logits(replace(both.prepare(image()), image=channels))
    assert seen[0].shape[1:] == (3, *patch)
    assert torch.equal(seen[0][0, 1:], one_hot(torch.from_numpy(channels[1]), (1, 2)))


def test_an_image_of_zeros_needs_no_stage(cascade):
    empty = replace(image(), array=np.zeros_like(image().array))
    assert not predictor(cascade).predict(empty).any()


def test_a_model_of_the_last_stage_alone_cannot_prepare(cascade):
    with pytest.raises(NnplugError, match="refines predictions of '3d_lowres', which this model does not hold"):
        predictor(replace(cascade, previous=None)).prepare(image())
