"""Primus against dynamic_network_architectures 0.4.4; figures by bench/oracle/primus.py."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from nnplug.contracts import read_log
from nnplug.errors import InvalidOptions, NnplugError
from nnplug.preparation.make_plans import make_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.loader import Plugins
from nnplug.registry.options import build
from nnplug.runtime.progress import Silent
from nnplug.testing import samples
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.architectures import Primus
from nnplug_nnunet.primus_extent import SIZES
from nnplug_nnunet.training.trainer import NnUNetTrainer
from nnplug_nnunetv2_commands.class_names.trainers import find_trainer

CHANNELS, PATCH, EVERY = 2, (16, 24, 8), 23
OUTPUTS = {"S": 3, "B": 2, "M": 14, "L": 120}


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parent / "golden/primus.npz") as file:
        named = json.loads(zlib.decompress(file["named"].tobytes()))
        return {**named, **{name: file[name] for name in ("evaluated", "trained")}}


def values(name, shape):
    """The same in bench/oracle/primus.py."""
    draw = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(np.asarray(draw.normal(0, 0.05, shape), np.float32))


def made(size="S"):
    return Primus(patch_size=PATCH, size=size).build(channels=CHANNELS, outputs=OUTPUTS[size])


@pytest.mark.parametrize("size", SIZES)
def test_parameters_have_nnunets_names_and_shapes(golden, size):
    with torch.device("meta"):
        network = made(size)
    assert {name: list(one.shape) for name, one in network.state_dict().items()} == golden["shapes"][size]


def test_logits_equal_in_both_modes(golden):
    network = made()
    network.load_state_dict({name: values(name, tuple(one.shape)) for name, one in network.state_dict().items()})
    image = torch.from_numpy(np.random.RandomState(0).normal(size=(2, CHANNELS, *PATCH)).astype(np.float32))
    with torch.no_grad():
        evaluated = network.eval()(image)
        torch.manual_seed(3)  # of the blocks that are left out
        (trained,) = network.train()(image)
    assert evaluated.shape == (2, 3, *PATCH)
    scale = float(np.abs(golden["evaluated"]).max())
    np.testing.assert_allclose(evaluated.flatten()[::EVERY], golden["evaluated"], atol=2e-5 * scale)
    np.testing.assert_allclose(trained.flatten()[::EVERY], golden["trained"], atol=2e-5 * scale)
    assert not torch.allclose(trained, evaluated)


def test_fresh_weights_are_distributed_alike(golden):
    torch.manual_seed(0)
    state = made().state_dict()
    for name, (mean, deviation) in golden["fresh"].items():
        assert float(state[name].std()) == pytest.approx(deviation, rel=0.1, abs=1e-6), name
        assert float(state[name].mean()) == pytest.approx(mean, abs=max(1e-6, deviation / 5)), name


def test_it_is_planned_by_its_patch():
    assert Primus.largest_patch((100, 64, 23)) == (96, 64, 16)
    options = Primus.options_for_patch((96, 64, 16))
    network = build(Primus, {**options, "size": "B"}, what="architecture 'primus'")
    assert network.patch_size == (96, 64, 16)
    small, large = (Primus(patch_size=(64,) * 3, size=size) for size in ("S", "L"))
    counts = [one.feature_map_elements((64,) * 3, channels=1, heads=3) for one in (small, large)]
    assert counts[1] > 4 * counts[0]


@pytest.mark.parametrize("limit", [(64, 64), (64, 64, 7)])
def test_it_takes_volumes_of_tokens_alone(limit):
    with pytest.raises(NnplugError, match=r"primus takes no patch within .*; it needs 3 axes of at least 8 voxels"):
        Primus.largest_patch(limit)


def test_another_patch_than_its_own_is_refused():
    network = Primus(patch_size=(16, 16, 16))
    network.check_patch((16, 16, 16))
    with pytest.raises(NnplugError, match=r"patch size \[16, 16, 24\] does not fit; this network is made for \[16, 16"):
        network.check_patch((16, 16, 24))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": [16, 20, 16]}, r"patch_size is \[16, 20, 16\]; expected three multiples of 8"),
        ({"patch_size": [16, 16]}, r"patch_size is \[16, 16\]; expected three multiples of 8"),
        ({"patch_size": [16, 16, 16], "drop_path": 1.0}, "drop_path is 1.0; it must be from 0 to below 1"),
    ],
)
def test_options_of_which_no_network_can_be_built_are_refused(options, message):
    with pytest.raises(InvalidOptions, match=message):
        build(Primus, options, what="architecture 'primus'")


def planned(heard, **request):
    return make_plans(
        samples.fingerprint((1.0, 1.0, 1.0), (80, 96, 100)),
        samples.DESCRIPTION,
        PlanRequest(**request),
        dataset="Dataset001_A",
        plugins=Plugins(),
        progress=heard,
    )


class Heard(Silent):
    """Keeps notices."""

    def __init__(self):
        self.lines = []

    def notice(self, message):
        self.lines.append(str(message))


def test_the_recipe_plans_volumes_alone_and_trains_as_nnunets_trainer():
    heard = Heard()
    plans = planned(heard, recipe="nnunet-primus", options={"architecture": {"size": "L"}})
    assert "2d is left out: primus takes no patch within [98, 101]; it needs 3 axes of at least 8 voxels" in heard.lines
    configuration = plans.configurations["3d_fullres"]
    assert "2d" not in plans.configurations
    assert configuration.architecture.name == "primus"
    assert configuration.architecture.options == {"patch_size": list(configuration.patch_size), "size": "L"}
    assert all(size % 8 == 0 for size in configuration.patch_size)
    assert plans.choices["trainer"].options == find_trainer("nnUNet_Primus_L_Trainer", []).options["trainer"]


def test_a_training_of_it_learns(tmp_path):
    """Its trainer's options, with all weights of size S, on patches of eight tokens."""
    patch = (16, 16, 16)
    task = make_task(tmp_path, Setting(axes=3))
    torch.manual_seed(0)
    network = Primus(patch_size=patch).build(channels=samples.CHANNELS, outputs=task.labels.outputs)
    configuration = msgspec.structs.replace(task.configuration, patch_size=patch)
    options = find_trainer("nnUNet_Primus_S_Trainer", []).options["trainer"]
    trainer = build(
        NnUNetTrainer,
        {**options, "epochs": 2, "iterations_per_epoch": 4, "val_iterations_per_epoch": 1, "warmup_epochs": 1},
        what="trainer",
    )
    trainer.train(replace(task, network=network, configuration=configuration))
    first, last = read_log(task.run.log)
    assert last.train_loss < first.train_loss
    assert first.learning_rate == last.learning_rate == 3e-4
