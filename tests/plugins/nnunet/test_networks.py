"""Our networks against dynamic_network_architectures 0.4.4; figures by bench/oracle/networks.py."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nnplug.ops.layers.leaky_relu import InPlaceLeakyReLU
from nnplug.registry.options import build
from nnplug_nnunet.architectures import PlainConvUNet, ResidualEncoderUNet
from nnplug_nnunet.networks import from_nnunet, to_nnunet
from nnplug_nnunet.networks.blocks import (
    NEGATIVE_SLOPE,
    ConvBlock,
    ConvStack,
    Layers,
    ResidualBlock,
)

CLASSES = {"plain-conv-unet": PlainConvUNet, "residual-encoder-unet": ResidualEncoderUNet}
CHANNELS, OUTPUTS = 2, 3
EVERY = 23


def values(name, shape):
    """The same in bench/oracle/networks.py."""
    draw = np.random.RandomState(zlib.crc32(name.encode()))
    positive = name.endswith(("running_var", "norm.weight"))
    drawn = draw.uniform(0.5, 1.5, shape) if positive else draw.normal(0, 0.2, shape)
    return torch.from_numpy(np.asarray(drawn, np.float32))


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parent / "golden/networks.npz") as file:
        cases = json.loads(zlib.decompress(file["cases"].tobytes()))
        return [{**case, "logits": torch.from_numpy(file[f"logits_{i}"])} for i, case in enumerate(cases)]


@pytest.fixture(params=range(6), ids=["2d", "anisotropic", "3d", "residual-2d", "residual-anisotropic", "residual-3d"])
def case(request, golden):
    return golden[request.param]


def architecture(case):
    return build(CLASSES[case["name"]], case["options"], what=case["name"])


def network(case):
    torch.manual_seed(0)
    return architecture(case).build(channels=CHANNELS, outputs=OUTPUTS)


def their_state(case):
    """A state dict as nnU-Net v2 saves it: several names share a tensor."""

    def tensor(name):
        shape = tuple(case["shapes"][name])
        return values(name, shape) if not name.endswith("num_batches_tracked") else torch.tensor(7)

    own = {name: tensor(name) for name in case["shapes"]}
    return {name: own[canonical] for name, canonical in case["names"].items()}


def test_their_weights_load_by_name_and_give_their_logits(case):
    ours = network(case)
    ours.load_state_dict(their_state(case), strict=True)
    with torch.no_grad():
        logits = ours.eval()(values("input", (1, CHANNELS, *case["patch"])))
    assert logits.shape == (1, OUTPUTS, *case["patch"])
    # against the largest: how a processor rounds small logits depends on how it sums up large ones
    largest = float(case["logits"].abs().max())
    torch.testing.assert_close(logits.flatten()[::EVERY], case["logits"], rtol=0, atol=5e-6 * largest)


def test_the_state_dict_holds_each_tensor_once_under_their_first_name(case):
    assert {n: list(t.shape) for n, t in network(case).state_dict().items()} == case["shapes"]
    assert set(from_nnunet(their_state(case))) == set(case["shapes"])


def test_the_way_back_has_all_their_names(case):
    ours = network(case)
    theirs = their_state(case)
    ours.load_state_dict(dict(theirs))
    back = to_nnunet(ours.state_dict(), dropout=bool(case["options"].get("dropout")))
    assert set(back) == set(theirs)
    assert all(torch.equal(back[name], theirs[name]) for name in theirs)


def test_a_missing_weight_is_still_an_error(case):
    state = their_state(case)
    del state["decoder.seg_layers.0.bias"]
    with pytest.raises(RuntimeError, match=r"decoder\.seg_layers\.0\.bias"):
        network(case).load_state_dict(state)


def test_elements_equal_those_of_their_network(case):
    assert architecture(case).feature_map_elements(case["patch"], channels=CHANNELS, heads=OUTPUTS) == case["elements"]


def test_training_gives_logits_from_fine_to_coarse(case):
    ours = network(case)
    sizes = architecture(case).sizes(case["patch"])[:-1]
    logits = ours(torch.zeros(2, CHANNELS, *case["patch"]))
    assert [tuple(level.shape) for level in logits] == [(2, OUTPUTS, *size) for size in sizes]


def test_every_parameter_learns_from_deep_supervision(case):
    ours = network(case)
    loss = sum(level.square().mean() for level in ours(values("input", (2, CHANNELS, *case["patch"]))))
    loss.backward()
    assert all(p.grad is not None for p in ours.parameters())


def test_training_and_evaluation_agree_at_full_resolution(golden):
    ours = network(golden[0])
    x = values("input", (2, CHANNELS, *golden[0]["patch"]))
    with torch.no_grad():
        trained = ours.train()(x)[0]
        assert torch.equal(trained, ours.eval()(x))


def test_weights_begin_as_he_et_al_and_biases_at_zero(golden):
    ours = network({**golden[4], "options": {**golden[4]["options"], "features_per_stage": [32, 64, 64, 64]}})
    convolutions = [m for m in ours.modules() if isinstance(m, nn.Conv3d)]
    wide = max(convolutions, key=lambda m: m.weight.numel())
    fan_in = wide.weight[0].numel()
    assert wide.weight.std().item() == pytest.approx((2 / (1 + 0.01**2) / fan_in) ** 0.5, rel=0.02)
    assert all(not m.bias.any() for m in convolutions if m.bias is not None)


def test_residual_blocks_begin_as_their_skip(golden):
    blocks = [m for m in network(golden[3]).modules() if isinstance(m, ResidualBlock)]
    assert len(blocks) == 8
    assert all(not p.any() for block in blocks for p in block.conv2.norm.parameters())


def test_the_same_seed_gives_the_same_weights(golden):
    a, b = (network(golden[1]).state_dict() for _ in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_batch_norm_option_builds_batch_norms(golden):
    assert any(isinstance(m, nn.BatchNorm3d) for m in network(golden[2]).modules())
    assert not any(isinstance(m, nn.InstanceNorm3d) for m in network(golden[2]).modules())


def block(order=torch.contiguous_format):
    torch.manual_seed(0)
    layers = Layers(3)
    return ConvStack(layers, 2, layers.conv(2, 4, (3,) * 3, (1,) * 3), 4, (3,) * 3).to(memory_format=order)


def gradients(stack, image):
    image = image.clone().requires_grad_()
    output = stack(image)
    output.square().sum().backward()
    return [output.detach(), image.grad, *(parameter.grad for parameter in stack.parameters())]


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last_3d])
def test_the_activation_overwrites_the_norm_s_memory_and_its_gradient_copies_nothing(order):
    ours, theirs = block(order), block(order)
    for layer in [module for module in theirs.modules() if isinstance(module, ConvBlock)]:
        layer.nonlin = nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)
    image = torch.randn(2, 2, 6, 6, 6).contiguous(memory_format=order)
    assert all(torch.equal(a, b) for a, b in zip(gradients(ours, image), gradients(theirs, image), strict=True))
    normed = ours.convs[0].norm(ours.convs[0].conv(image))
    assert ours.convs[0].nonlin(normed).data_ptr() == normed.data_ptr()
    assert COPIES not in graph_of(ours(image))
    assert COPIES in graph_of(theirs(image)), "else this test sees nothing"


COPIES = "torch::autograd::CopySlices"


def graph_of(tensor):
    """The names of all operations behind a tensor."""
    names, waiting = set(), [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        names.add(node.name())
        waiting += [parent for parent, _ in node.next_functions if parent is not None]
    return names


class Ones(torch.autograd.Function):
    """Returns a view of a tensor that has no gradient itself, as a plugin's layer may."""

    @staticmethod
    def forward(ctx, x):
        return torch.ones(x.numel()).view(x.shape)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


@pytest.mark.parametrize("make", [lambda x: (2 * x)[:1], lambda x: (2 * x).transpose(0, 1)])
def test_the_activation_of_another_view_has_its_gradient(make):
    x = torch.randn(2, 3, requires_grad=True)
    expected = torch.where(make(x) > 0, 1.0, NEGATIVE_SLOPE)
    InPlaceLeakyReLU(0.01)(make(x)).sum().backward()
    (gradient,) = torch.autograd.grad(make(x), x, expected)
    assert torch.equal(x.grad, gradient)


def test_the_activation_overwrites_no_view_whose_gradient_it_would_lose():
    x = torch.randn(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
        InPlaceLeakyReLU(0.01)(Ones.apply(x))
