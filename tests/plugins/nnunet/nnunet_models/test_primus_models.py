"""Models of nnU-Net's Primus trainers: figures of the trainer of nnunetv2 2.8.1 by bench/oracle/primus_model.py.

Its plans name a residual network, which the trainer does not build.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from nnplug.errors import InvalidFile
from nnplug.inference.folder import predict_folder
from nnplug.inference.inputs import find_cases
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.options import PredictOptions
from nnplug.models.open import open_model
from nnplug.plans.plans import Choice
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Silent
from nnplug_nnunet.architectures import Primus
from nnplug_nnunet.nnunet_models import export_model, import_model
from nnplug_nnunet.nnunet_models.checkpoint import read_checkpoint, write_checkpoint
from nnplug_nnunet.nnunet_models.networks import network_from_nnunet, network_to_nnunet
from nnplug_nnunet.nnunet_models.primus import trained_network

GOLDEN = Path(__file__).parent / "golden"
PATCH = [8, 24, 24]


def values(name, shape):
    """The same in bench/oracle/primus.py."""
    draw = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(np.asarray(draw.normal(0, 0.05, shape), np.float32))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder as nnU-Net leaves it."""
    folder = tmp_path_factory.mktemp("primus")
    plans = json.loads((GOLDEN / "residual" / "model" / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["patch_size"] = PATCH
    description = (GOLDEN / "residual" / "model" / "dataset.json").read_text()
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(description)
    (folder / "fold_0").mkdir()
    state = Primus(patch_size=tuple(PATCH)).build(channels=2, outputs=2).state_dict()
    write_checkpoint(
        folder / "fold_0" / "checkpoint_final.pth",
        {name: values(name, tuple(one.shape)) for name, one in state.items()},
        init_args={"plans": plans, "configuration": "3d_fullres", "fold": 0, "dataset_json": json.loads(description)},
        epoch=3,
        mirror_axes=(),
        trainer="nnUNet_Primus_S_Trainer",
    )
    return folder


def test_an_imported_model_predicts_the_same_and_goes_back_to_nnunet(model, tmp_path):
    plugins = Plugins()
    import_model(model, tmp_path / "bundle", registry=plugins.registry, progress=Silent())
    opened = open_model(tmp_path / "bundle")
    (member,) = opened.members
    network = opened.plans.configuration(member.configuration).architecture
    assert (network.name, network.options) == ("primus", {"patch_size": PATCH, "size": "S"})
    options = PredictOptions(save_probabilities=True)
    loaded = LoadedModel.load(opened, Runtime(plugins, device="cpu"), options)
    cases = find_cases([GOLDEN / "residual" / "images"], ".nii.gz")
    predict_folder(loaded, cases, tmp_path / "out", options, progress=Silent())
    with np.load(tmp_path / "out" / "case.npz") as ours, np.load(GOLDEN / "primus.npz") as theirs:
        assert ours["probabilities"].std() > 0.01
        difference = np.abs(ours["probabilities"] - theirs["probabilities"])
    # nnU-Net weights windows in half precision, which is another number at their corners
    assert np.mean(difference > 2e-4) < 2e-3
    assert difference.max() < 3e-3
    export_model(tmp_path / "bundle", tmp_path / "back")
    given, returned = (read_checkpoint(f / "fold_0" / "checkpoint_final.pth") for f in (model, tmp_path / "back"))
    assert returned.trainer == "nnUNet_Primus_S_Trainer"
    assert returned.weights.keys() == given.weights.keys()
    assert all(torch.equal(returned.weights[name], one) for name, one in given.weights.items())
    plans = json.loads((tmp_path / "back" / "plans.json").read_text())
    assert network_from_nnunet(plans["configurations"]["3d_fullres"], "plans").options == {
        **network.options,
        "drop_path": 0.2,
    }


def test_weights_of_a_unet_are_not_those_of_a_transformer():
    assert trained_network({"encoder.stem.convs.0.conv.weight": torch.zeros(1)}, PATCH, "file") is None


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"eva.pos_embed": (1, 9, 396)}, r"file: trained a transformer with a convolutional stem \(PrimusV2 or V3\)"),
        (
            {"eva.pos_embed": (1, 9, 48), "down_projection.proj.weight": (48, 1, 8, 8, 8)},
            "file: trained a transformer with 48 features per token; nnplug has Primus S, B, M, L",
        ),
    ],
)
def test_other_transformers_are_refused(weights, message):
    with pytest.raises(InvalidFile, match=message):
        trained_network({name: torch.zeros(shape) for name, shape in weights.items()}, PATCH, "file")


def test_plans_that_name_another_primus_are_refused():
    theirs = network_to_nnunet(Choice(name="primus", options={"patch_size": PATCH, "size": "M"}), 3, "plans")
    assert network_from_nnunet({"architecture": theirs}, "plans").options["size"] == "M"
    theirs["arch_kwargs"]["eva_depth"] = 5
    with pytest.raises(InvalidFile, match="plans: the network is a Primus of another size; nnplug has S, B, M, L"):
        network_from_nnunet({"architecture": theirs}, "plans")
