"""Instance norm in place: PyTorch's to the last digits, whatever the order in memory, and without copies."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnplug_nnunet.networks import norm
from nnplug_nnunet.networks.cpu import accelerate
from nnplug_nnunet.networks.norm import InPlaceNorm2d, InPlaceNorm3d, normalise_

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


def test_precise_networks_have_it_and_give_the_same():
    torch.manual_seed(0)
    for dimensions, kind in ((2, InPlaceNorm2d), (3, InPlaceNorm3d)):
        conv, plain = (nn.Conv2d, nn.InstanceNorm2d) if dimensions == 2 else (nn.Conv3d, nn.InstanceNorm3d)
        network = nn.Sequential(conv(2, 4, 3, padding=1), plain(4, affine=True))
        image = torch.randn(1, 2, *(8,) * dimensions)
        with torch.no_grad():
            expected = network(image)
            assert isinstance(accelerate(network, precise=True)[1], kind)
            torch.testing.assert_close(network(image), expected, rtol=1e-4, atol=1e-4)
