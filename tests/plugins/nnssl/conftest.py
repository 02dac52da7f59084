"""Checkpoints as nnssl writes them, of small networks, and a dataset to fine-tune on."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug_cli.main import main
from nnplug_nnunet.networks.names import to_nnunet
from nnplug_nnunet.networks.primus import PrimusNetwork
from nnplug_nnunet.primus_extent import Extent

CITATIONS = [
    {"type": "Pre-Training Method", "name": "MAE", "apa_citations": ["He, K. (2022). Masked autoencoders.\nCVPR."]},
    {"type": "Dataset", "name": "OpenMind", "bibtex_citations": ["@article{openmind}"]},
]
SMALL = {
    "n_stages": 3,
    "features_per_stage": [4, 6, 8],
    "kernel_sizes": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
    "n_blocks_per_stage": [1, 2, 1],
    "n_conv_per_stage_decoder": [1, 1],
}
LAYERS = {
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.modules.activation.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
UNET_KEYS = {
    "key_to_encoder": "encoder.stages",
    "key_to_stem": "encoder.stem",
    "keys_to_in_proj": ["encoder.stem.convs.0.conv", "encoder.stem.convs.0.all_modules.0"],
    "key_to_lpe": None,
}
PRIMUS_KEYS = {
    "key_to_encoder": "eva",
    "key_to_stem": "down_projection",
    "keys_to_in_proj": ["down_projection.proj"],
    "key_to_lpe": "eva.pos_embed",
}


def adaptation_plan(name, kwargs, keys, *, patch=(16, 16, 16), recommended=(16, 16, 16), spacing=(1, 1, 1)):
    """What nnssl's trainers serialise, with its names."""
    configuration = {
        "data_identifier": "nnsslPlans_onemmiso",
        "preprocessor_name": "DefaultPreprocessor",
        "spacing_style": "onemmiso",
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": False,
        "spacing": None if spacing is None else list(spacing),
        "patch_size": list(patch),
    }
    return {
        "architecture_plans": {
            "arch_class_name": name,
            "arch_kwargs": kwargs,
            "arch_kwargs_requiring_import": ["conv_op", "norm_op", "nonlin"] if kwargs else None,
        },
        "pretrain_plan": {"dataset_name": "Dataset745_OpenMind", "configurations": {"onemmiso": configuration}},
        "pretrain_num_input_channels": 1,
        "recommended_downstream_patchsize": list(recommended),
        **copy.deepcopy(keys),
    }


def residual(**changed):
    """The small residual encoder U-Net with some options changed."""
    return Plugins().registry.create(Kind.ARCHITECTURE, "residual-encoder-unet", {**SMALL, **changed})


def filled(network, seed=0):
    """The state dict of a network with random numbers everywhere, also where an initialisation has zeros."""
    torch.manual_seed(seed)
    return {name: torch.randn(one.shape) * 0.1 for name, one in network.state_dict().items()}


def unet_state(channels=1, outputs=1, seed=0, **changed):
    return filled(residual(**changed).build(channels=channels, outputs=outputs), seed)


def primus_state(extent, patch, channels=1, seed=0):
    return filled(PrimusNetwork(extent, patch, channels=channels, outputs=1, drop_path=0.0), seed)


@dataclass(frozen=True)
class Written:
    """A checkpoint, and what is in it."""

    path: Path
    state: dict[str, torch.Tensor]
    plan: dict[str, object]


def write(path, state, plan, **others):
    content = {"network_weights": state, "nnssl_adaptation_plan": plan, "citations": CITATIONS, "current_epoch": 1000}
    torch.save({**content, **others}, path)
    return Written(path, state, plan)


@pytest.fixture(scope="session")
def unet(tmp_path_factory):
    """A residual encoder after masked autoencoding: one channel, reconstructed; names with nnU-Net's repetitions."""
    plan = adaptation_plan("ResidualEncoderUNet", {**SMALL, **LAYERS}, UNET_KEYS)
    return write(tmp_path_factory.mktemp("nnssl") / "resenc.pth", to_nnunet(unet_state()), plan)


@pytest.fixture(scope="session")
def primus(tmp_path_factory):
    """A Primus-S pre-trained on patches of 16 x 24 x 32, without an attention block less."""
    plan = adaptation_plan("PrimusS", None, PRIMUS_KEYS, patch=(16, 24, 32))
    state = primus_state(Extent(396, 12, 6), (16, 24, 32))
    return write(tmp_path_factory.mktemp("nnssl") / "primus.pth", state, plan)


def nnplug(*words, code=0):
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A measured dataset of two channels and its workspace."""
    folder = tmp_path_factory.mktemp("raw") / "Dataset901_Phantom"
    dataset = write_phantom(folder, cases=4, unseen=1, shape=(20, 24, 22))
    workspace = tmp_path_factory.mktemp("work")
    nnplug("fingerprint", folder, "-w", workspace)
    return dataset.folder, workspace
