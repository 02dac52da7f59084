"""Instance norm in place: PyTorch's to the last digits, whatever the order in memory, and without copies."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from nnplug_cpu import norm
from nnplug_cpu.norm import InPlaceNorm2d, InPlaceNorm3d, PreciseNorm2d, PreciseNorm3d, normalise_
from nnplug_cpu.replacement import for_prediction

ORDERS = {
    "channels last": torch.channels_last_3d,
    "contiguous": torch.contiguous_format,
}


@pytest.fixture
def small_parts(monkeypatch):
    """Images of a test in several parts."""
    monkeypatch.setattr(norm, "_NEAR", 500)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("offset", [0.0, 1000.0], ids=["centred", "far from 0"])
def test_it_is_instance_norm(order, offset):
    torch.manual_seed(0)
    image = (torch.randn(2, 3, 9, 10, 11) + offset).contiguous(memory_format=order)
    weight, bias = torch.randn(3), torch.randn(3)
    expected = nn.functional.instance_norm(image.double(), weight=weight.double(), bias=bias.double())
    plain = nn.functional.instance_norm(image, weight=weight, bias=bias)
    result = normalise_(image.clone(memory_format=torch.preserve_format), weight, bias, 1e-5)
    error, theirs = ((values.double() - expected).abs().max() for values in (result, plain))
    assert error <= max(2 * theirs, 1e-6)


def test_the_result_lies_where_the_input_lay():
    image = torch.randn(1, 4, 6, 6, 6).contiguous(memory_format=torch.channels_last_3d)
    assert normalise_(image, torch.ones(4), torch.zeros(4), 1e-5).data_ptr() == image.data_ptr()


def test_after_convolutions_networks_have_it_and_give_the_same():
    torch.manual_seed(0)
    for dimensions, kind in ((2, InPlaceNorm2d), (3, InPlaceNorm3d)):
        conv, plain = (nn.Conv2d, nn.InstanceNorm2d) if dimensions == 2 else (nn.Conv3d, nn.InstanceNorm3d)
        network = nn.Sequential(conv(2, 4, 3, padding=1), plain(4, affine=True))
        image = torch.randn(1, 2, *(8,) * dimensions)
        with torch.no_grad():
            expected = network(image)
            assert isinstance(for_prediction(network)[1], kind)
            torch.testing.assert_close(network(image), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_norm_whose_input_is_used_again_leaves_it(dimensions):
    """As in blocks that normalise first: the input of the norm is also that of the skip."""
    conv, plain, kind = (
        (nn.Conv2d, nn.InstanceNorm2d, PreciseNorm2d)
        if dimensions == 2
        else (nn.Conv3d, nn.InstanceNorm3d, PreciseNorm3d)
    )

    class NormFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.before = conv(2, 4, 3, padding=1)
            self.path = nn.Sequential(plain(4, affine=True), nn.ReLU(), conv(4, 4, 3, padding=1))

        def forward(self, x):
            x = self.before(x)
            return x + self.path(x)

    network, image = NormFirst(), torch.randn(1, 2, *(8,) * dimensions)
    with torch.no_grad():
        expected = network(image)
        assert isinstance(for_prediction(network).path[0], kind)
        torch.testing.assert_close(network(image), expected, rtol=1e-4, atol=1e-4)


def keep(*_):
    """A hook that looks at what passes."""


def blocks():
    """Sequences in which the norm's input is not known to be its alone, by what keeps it."""
    make = lambda *layers: nn.Sequential(*layers)  # noqa: E731
    conv, norm = partial(nn.Conv3d, 4, 4, 3, padding=1), partial(nn.InstanceNorm3d, 4, affine=True)
    yield "no convolution before", make(nn.ReLU(), norm())
    yield "a first layer", make(norm(), conv())
    watched = conv()
    watched.register_forward_hook(keep)
    yield "a hook of the convolution", make(watched, norm())
    seen = norm()
    seen.register_forward_pre_hook(keep)
    yield "a hook of the norm", make(conv(), seen)
    shared = norm()
    yield "two places", make(conv(), shared, nn.ReLU(), shared)
    inner = make(norm(), nn.ReLU())
    inner.register_forward_pre_hook(keep)
    yield "a hook of a sequence inside", make(conv(), inner)

    class Keeping(nn.Sequential):
        def forward(self, x):
            y = self[0](x)
            return y + self[1](y)

    yield "a sequence with another forward", Keeping(conv(), norm())


@pytest.mark.parametrize("block", [block for _, block in blocks()], ids=[name for name, _ in blocks()])
def test_only_norms_whose_input_nothing_else_has_write_into_it(block):
    network, image = nn.Sequential(block, nn.Identity()), torch.randn(1, 4, 8, 8, 8)
    with torch.no_grad():
        expected = network(image)
        faster = for_prediction(network)
        assert not [module for module in faster.modules() if isinstance(module, InPlaceNorm3d)]
        torch.testing.assert_close(faster(image), expected, rtol=1e-4, atol=1e-4)


def test_dropout_and_sequences_inside_keep_a_norm_in_place():
    inner = nn.Sequential(nn.Dropout3d(0.2), nn.InstanceNorm3d(4, affine=True))
    network = for_prediction(nn.Sequential(nn.Conv3d(4, 4, 3, padding=1), inner).eval())
    assert isinstance(network[1][1], InPlaceNorm3d)
