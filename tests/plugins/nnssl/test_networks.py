"""The networks that checkpoints name."""

from __future__ import annotations

import pytest

from nnplug.errors import InvalidFile
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug_nnssl.checkpoint import read_pretraining
from nnplug_nnssl.networks import PARTS, network_for, parts_of

from .conftest import LAYERS, PRIMUS_KEYS, SMALL, UNET_KEYS, adaptation_plan, write


def named(tmp_path, name, kwargs, keys=UNET_KEYS, state=None):
    return read_pretraining(write(tmp_path / "a.pth", state or {}, adaptation_plan(name, kwargs, keys)).path)


def parameters(choice):
    network = Plugins().registry.create(Kind.ARCHITECTURE, choice.name, choice.options)
    import torch

    with torch.device("meta"):
        return network.build(channels=1, outputs=2).state_dict()


def test_a_residual_encoder_with_its_options(unet):
    choice = network_for(read_pretraining(unet.path), (16, 16, 16))
    assert choice.name == "residual-encoder-unet"
    assert choice.options == SMALL


def test_the_preset_has_the_sizes_of_nnssls_res_enc_l(tmp_path):
    choice = network_for(named(tmp_path, "ResEncL", None), (160, 160, 160))
    state = parameters(choice)
    blocks = {name.split(".")[2]: int(name.split(".")[4]) + 1 for name in state if name.startswith("encoder.stages.")}
    assert list(blocks.values()) == [1, 3, 4, 6, 6, 6]
    widths = [state[f"encoder.stages.{stage}.blocks.0.conv1.conv.weight"].shape[0] for stage in range(6)]
    assert widths == [32, 64, 128, 256, 320, 320]
    assert all(one.shape[2:] == (3, 3, 3) for name, one in state.items() if name.endswith("conv1.conv.weight"))


def test_a_primus_is_recognised_by_its_weights(primus):
    choice = network_for(read_pretraining(primus.path), (8, 16, 16))
    assert (choice.name, choice.options) == ("primus", {"patch_size": [8, 16, 16], "size": "S"})


@pytest.mark.parametrize("name", PARTS)
def test_the_parts_are_in_the_networks(name):
    parts = parts_of(name)
    options = {"patch_size": [8, 8, 8]} if name == "primus" else dict(SMALL)
    if name == "plain-conv-unet":
        options["n_conv_per_stage"] = options.pop("n_blocks_per_stage")
    network = Plugins().registry.create(Kind.ARCHITECTURE, name, options).build(channels=3, outputs=2)
    state = network.state_dict()
    assert state[parts.projection].shape[1] == 3
    assert all(any(one.startswith(f"{module}.") for one in state) for module in (parts.encoder, parts.stem))
    assert parts.positions is None or parts.positions in state


def test_other_networks_are_refused(tmp_path, primus):
    with pytest.raises(InvalidFile, match="the network is 'NoSkipResEncL' without arch_kwargs; nnplug has ResEncL"):
        network_for(named(tmp_path, "NoSkipResEncL", None), (16, 16, 16))
    with pytest.raises(InvalidFile, match="nonlin is 'torch.nn.GELU'; nnplug's networks have LeakyReLU"):
        network_for(named(tmp_path, "ResidualEncoderUNet", {**SMALL, **LAYERS, "nonlin": "torch.nn.GELU"}), (16,) * 3)
    with pytest.raises(InvalidFile, match="key_to_lpe is 'eva.pos_embed', which PrimusM does not hold"):
        network_for(named(tmp_path, "PrimusM", None, PRIMUS_KEYS), (16, 16, 16))
    with pytest.raises(InvalidFile, match="the network is PrimusM, but the weights are those of PrimusS"):
        network_for(named(tmp_path, "PrimusM", None, PRIMUS_KEYS, primus.state), (16, 16, 16))
    with pytest.raises(InvalidFile, match="architecture 'acme': nnssl's checkpoints are for residual-encoder-unet"):
        parts_of("acme")
