"""Each rule by which weights are adapted, against a computation of numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from nnplug.errors import InvalidFile
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug_nnssl.checkpoint import AdaptationPlan, Pretraining
from nnplug_nnssl.networks import PARTS
from nnplug_nnssl.weights import Target, adapt, fit_kernel, interpolated
from nnplug_nnunet.networks.names import to_nnunet
from nnplug_nnunet.networks.primus import PrimusNetwork
from nnplug_nnunet.primus_extent import Extent

from .conftest import PRIMUS_KEYS, SMALL, UNET_KEYS, adaptation_plan, filled, primus_state, residual, unet_state

TINY = Extent(24, 2, 2)
STEM = "encoder.stem.convs.0.conv.weight"
RESIDUAL = PARTS["residual-encoder-unet"]


def pretraining(state, keys=UNET_KEYS, **plan):
    described = {
        **adaptation_plan("ResidualEncoderUNet", dict(SMALL), keys, patch=plan.pop("patch", (16, 16, 16))),
        **plan,
    }
    return Pretraining(Path("a.pth"), "0" * 64, state, msgspec.convert(described, AdaptationPlan), ())


def unet_target(channels=1, outputs=3, **changed):
    options = {key: changed.pop(key) for key in list(changed) if key in SMALL}
    network = residual(**options).build(channels=channels, outputs=outputs)
    return Target(RESIDUAL, network.state_dict(), (16, 16, 16), **changed)


def primus_target(patch, channels=1, **changed):
    network = PrimusNetwork(TINY, patch, channels=channels, outputs=3, drop_path=0.0)
    return Target(PARTS["primus"], network.state_dict(), patch, **changed)


def linear(values, axis, size):
    """Linear interpolation between the centres of cells, with the edges' values outside them."""
    here = values.shape[axis]
    places = np.clip((np.arange(size) + 0.5) * here / size - 0.5, 0, here - 1)
    return np.apply_along_axis(lambda line: np.interp(places, np.arange(here), line), axis, values)


def test_encoder_and_stem_are_loaded_and_the_decoder_is_not():
    state = unet_state()
    adapted = adapt(pretraining(to_nnunet(state)), unet_target())
    encoder = {name for name in state if name.startswith("encoder.")}
    assert adapted.weights.keys() == encoder
    assert all(torch.equal(adapted.weights[name], state[name]) for name in encoder)
    assert adapted.left_out == adapted.kernels == ()


def test_the_decoder_is_loaded_on_request_without_heads():
    state = unet_state(outputs=1)
    heads = frozenset(name for name in state if ".seg_layers." in name)
    adapted = adapt(pretraining(to_nnunet(state)), unet_target(outputs=1, decoder=True, heads=heads))
    assert adapted.weights.keys() == state.keys() - heads
    assert set(adapted.left_out) == heads
    assert torch.equal(adapted.weights["decoder.transpconvs.0.weight"], state["decoder.transpconvs.0.weight"])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_the_stem_is_repeated_over_the_channels_and_divided_by_their_number(channels):
    state = unet_state()
    found = adapt(pretraining(to_nnunet(state)), unet_target(channels=channels)).weights[STEM].numpy()
    expected = np.stack([state[STEM].numpy()[:, 0] / channels] * channels, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.shape == (4, channels, 3, 3, 3)


def test_an_image_of_equal_channels_has_the_features_of_one():
    state, image = unet_state(), torch.randn(1, 1, 8, 8, 8)
    weights = adapt(pretraining(to_nnunet(state)), unet_target(channels=4)).weights
    one = residual().build(channels=1, outputs=1)
    four = residual().build(channels=4, outputs=1)
    one.load_state_dict(state)
    four.load_state_dict({**four.state_dict(), **weights})
    for ours, theirs in zip(four.encoder(image.repeat(1, 4, 1, 1, 1)), one.encoder(image), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_projection_of_tokens_is_repeated_as_well():
    state = primus_state(TINY, (16, 16, 16))
    plan = pretraining(state, PRIMUS_KEYS)
    found = adapt(plan, primus_target((16, 16, 16), channels=3)).weights["down_projection.proj.weight"].numpy()
    np.testing.assert_allclose(found[:, 2], state["down_projection.proj.weight"].numpy()[:, 0] / 3, rtol=1e-6)


def test_other_numbers_of_channels_are_refused():
    two = pretraining(to_nnunet(unet_state(channels=2)), pretrain_num_input_channels=2)
    assert adapt(two, unet_target(channels=2)).weights[STEM].shape[1] == 2
    with pytest.raises(InvalidFile, match="the pre-training had 2 channels, dataset.json names 3"):
        adapt(two, unet_target(channels=3))
    with pytest.raises(InvalidFile, match="has 1 input channels, but the first layer takes 2"):
        adapt(pretraining(to_nnunet(unet_state(channels=2))), unet_target(channels=3))


@pytest.mark.parametrize("patch", [(16, 24, 40), (32, 24, 40), (16, 48, 40), (16, 24, 16), (8, 16, 80)])
def test_positions_are_interpolated_along_each_axis(patch):
    state = primus_state(TINY, (16, 24, 40))
    plan = pretraining(state, PRIMUS_KEYS, patch=(16, 24, 40))
    found = adapt(plan, primus_target(patch)).weights["eva.pos_embed"].numpy()
    expected = state["eva.pos_embed"].numpy().reshape(2, 3, 5, 24).astype(np.float64)
    for axis, size in enumerate(patch):
        expected = linear(expected, axis, size // 8)
    np.testing.assert_allclose(found[0], expected.reshape(-1, 24), atol=1e-6)


def test_equal_grids_keep_their_positions_to_the_bit():
    positions = torch.randn(1, 24, 6)
    assert torch.equal(interpolated(positions, (2, 3, 4), (2, 3, 4)), positions)


def test_a_class_token_and_its_position_are_dropped():
    state = primus_state(TINY, (16, 16, 16))
    longer = torch.cat([torch.ones(1, 1, 24), state["eva.pos_embed"]], dim=1)
    plan = pretraining({**state, "eva.pos_embed": longer, "eva.cls_token": torch.ones(1, 1, 24)}, PRIMUS_KEYS)
    weights = adapt(plan, primus_target((16, 16, 16))).weights
    assert torch.equal(weights["eva.pos_embed"], state["eva.pos_embed"])
    assert "eva.cls_token" not in weights


def test_names_below_another_module_are_those_of_the_network():
    state = {f"encoder.{name}": one for name, one in primus_state(TINY, (16, 16, 16)).items()}
    keys = {
        "key_to_encoder": "encoder.eva",
        "key_to_stem": "encoder.down_projection",
        "keys_to_in_proj": ["encoder.down_projection.proj"],
        "key_to_lpe": "encoder.eva.pos_embed",
    }
    weights = adapt(pretraining(state, keys), primus_target((16, 16, 16))).weights
    assert all(torch.equal(weights[name], state[f"encoder.{name}"]) for name in weights)
    assert {name.partition(".")[0] for name in weights} == {"eva", "down_projection"}


def test_the_keys_say_where_positions_and_projection_are():
    state = primus_state(TINY, (16, 16, 16))
    moved = {name: one for name, one in state.items() if name not in ("eva.pos_embed", "down_projection.proj.weight")}
    moved |= {"where": state["eva.pos_embed"], "tokens.weight": state["down_projection.proj.weight"]}
    keys = {**PRIMUS_KEYS, "key_to_lpe": "where", "keys_to_in_proj": ["tokens"]}
    weights = adapt(pretraining(moved, keys), primus_target((16, 16, 16))).weights
    assert torch.equal(weights["eva.pos_embed"], state["eva.pos_embed"])
    assert torch.equal(weights["down_projection.proj.weight"], state["down_projection.proj.weight"])


def test_positions_that_do_not_suit_the_patch_are_refused():
    state = primus_state(TINY, (16, 16, 16))
    with pytest.raises(InvalidFile, match="eva.pos_embed has 8 positions, a patch of \\[16, 16, 24\\] .* has 12"):
        adapt(pretraining(state, PRIMUS_KEYS, patch=(16, 16, 24)), primus_target((16, 16, 16)))


def test_a_plain_encoder_holds_its_stem():
    options = {
        **{key: value for key, value in SMALL.items() if key != "n_blocks_per_stage"},
        "n_conv_per_stage": [2] * 3,
    }
    state = filled(
        Plugins().registry.create(Kind.ARCHITECTURE, "plain-conv-unet", options).build(channels=1, outputs=1)
    )
    keys = {**UNET_KEYS, "key_to_stem": "encoder.stages.0", "keys_to_in_proj": ["encoder.stages.0.0.convs.0.conv"]}
    network = Plugins().registry.create(Kind.ARCHITECTURE, "plain-conv-unet", options).build(channels=2, outputs=3)
    target = Target(PARTS["plain-conv-unet"], network.state_dict(), (16, 16, 16))
    weights = adapt(pretraining(to_nnunet(state), keys), target).weights
    assert weights.keys() == {name for name in state if name.startswith("encoder.")}
    first = "encoder.stages.0.0.convs.0.conv.weight"
    np.testing.assert_allclose(weights[first].numpy()[:, 1], state[first].numpy()[:, 0] / 2, rtol=1e-6)


def test_kernels_of_three_become_one_by_their_mean():
    state = unet_state()
    kernels = [[1, 3, 3], [3, 3, 3], [1, 1, 3]]
    adapted = adapt(pretraining(to_nnunet(state)), unet_target(kernel_sizes=kernels, exact=False))
    inner = "encoder.stages.0.blocks.0.conv1.conv.weight"
    last = "encoder.stages.2.blocks.0.conv2.conv.weight"
    np.testing.assert_allclose(adapted.weights[STEM].numpy(), state[STEM].numpy().mean(2, keepdims=True), atol=1e-7)
    np.testing.assert_allclose(adapted.weights[inner].numpy(), state[inner].numpy().mean(2, keepdims=True), atol=1e-7)
    np.testing.assert_allclose(
        adapted.weights[last].numpy(), state[last].numpy().mean((2, 3), keepdims=True), atol=1e-7
    )
    assert {STEM, inner, last} <= set(adapted.kernels)
    assert not any(".stages.1." in name for name in adapted.kernels)


def test_stages_and_blocks_that_one_network_lacks_are_left_out():
    state = unet_state()
    deeper = {"n_stages": 4, "features_per_stage": [4, 6, 8, 8], "kernel_sizes": [[3, 3, 3]] * 4}
    deeper |= {"strides": [[1, 1, 1], *[[2, 2, 2]] * 3], "n_blocks_per_stage": [1, 1, 2, 1]}
    target = unet_target(**deeper, n_conv_per_stage_decoder=[1, 1, 1], exact=False)
    adapted = adapt(pretraining(to_nnunet(state)), target)
    assert not any(name.startswith(("encoder.stages.3", "encoder.stages.2.blocks.1")) for name in adapted.weights)
    assert all(name.startswith("encoder.stages.1.blocks.1") for name in adapted.left_out)
    assert adapted.left_out
    shallow = {"n_stages": 2, "features_per_stage": [4, 6], "kernel_sizes": [[3, 3, 3]] * 2}
    shallow |= {"strides": SMALL["strides"][:2], "n_blocks_per_stage": [1, 2], "n_conv_per_stage_decoder": [1]}
    adapted = adapt(pretraining(to_nnunet(state)), unet_target(**shallow, exact=False))
    assert {name.partition(".blocks")[0] for name in adapted.left_out} == {"encoder.stages.2"}


def test_wider_stages_begin_at_random():
    target = unet_target(features_per_stage=[4, 8, 8], exact=False)
    weights = adapt(pretraining(to_nnunet(unet_state())), target).weights
    assert "encoder.stages.0.blocks.0.conv1.conv.weight" in weights
    assert "encoder.stages.1.blocks.0.conv1.conv.weight" not in weights


def test_a_network_that_nothing_fits_is_refused():
    with pytest.raises(InvalidFile, match="a.pth: none of its weights fits the network of the plans"):
        adapt(pretraining(to_nnunet(unet_state())), unet_target(features_per_stage=[5, 7, 9], exact=False))


def test_other_kernels_are_refused():
    with pytest.raises(InvalidFile, match=r"x has a kernel of \[1, 3, 3\] and the network of the plans \[3, 3, 3\]"):
        fit_kernel(torch.zeros(2, 2, 1, 3, 3), torch.Size([2, 2, 3, 3, 3]), "x")


def test_missing_and_further_weights_are_named_if_the_network_is_that_of_the_checkpoint():
    state = unet_state()
    name = "encoder.stages.1.blocks.1.conv2.norm.weight"
    less = {key: one for key, one in state.items() if key != name}
    with pytest.raises(InvalidFile, match=f"does not hold the network that it names: {name} is missing$"):
        adapt(pretraining(to_nnunet(less)), unet_target())
    with pytest.raises(InvalidFile, match="encoder.stages.9.weight has no place$"):
        adapt(pretraining({**to_nnunet(state), "encoder.stages.9.weight": torch.zeros(1)}), unet_target())
    with pytest.raises(InvalidFile, match=r"conv2.norm.weight is \(3,\) instead of \(6,\)$"):
        adapt(pretraining({**to_nnunet(state), name: torch.zeros(3)}), unet_target())
    with pytest.raises(InvalidFile, match="; .* and 5 more$"):
        adapt(pretraining({n: o for n, o in to_nnunet(state).items() if ".stages.0" not in n}), unet_target())


@pytest.mark.parametrize("key", ["key_to_encoder", "key_to_stem"])
def test_keys_that_lead_nowhere_are_named(key):
    with pytest.raises(InvalidFile, match=f"no weights below 'backbone', which nnssl_adaptation_plan names as {key}"):
        adapt(pretraining(to_nnunet(unet_state()), **{key: "backbone"}), unet_target())


def test_a_first_layer_that_is_nowhere_is_named():
    state = to_nnunet(unet_state())
    less = {name: one for name, one in state.items() if name != STEM}
    with pytest.raises(InvalidFile, match="has no weight of the first layer; .* keys_to_in_proj encoder.stem.convs"):
        adapt(pretraining(less), unet_target())


def test_half_precision_becomes_float32():
    state = {name: one.half() for name, one in unet_state().items()}
    adapted = adapt(pretraining(to_nnunet(state)), replace(unet_target()))
    assert {one.dtype for one in adapted.weights.values()} == {torch.float32}
