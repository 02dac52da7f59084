"""Convolutions of short images have the gradients of float32 in a training in half precision."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from nnplug.ops.layers.joined_conv import JoinedConv3d
from nnplug.ops.layers.short_axes import with_exact_gradients

CPU = torch.device("cpu")


def spoil_free_memory():
    """Fill blocks of the sizes of gradients with huge numbers, and free them."""
    blocks = [torch.full((1 << power,), 3e38) for power in range(8, 20) for _ in range(3)]
    del blocks


def gradient(layer, image, *, half):
    image = image.clone().requires_grad_()
    layer.zero_grad(set_to_none=True)
    spoil_free_memory()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        result = layer(image)
    spoil_free_memory()
    result.backward(torch.ones_like(result))
    return result, layer.weight.grad


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv3d(16, 16, 3, padding=1), (2, 8, 8)),
        (nn.Conv3d(16, 16, 3, 2, padding=1), (2, 2, 8)),
        (nn.Conv3d(16, 16, (5, 3, 3), padding=(2, 1, 1)), (4, 8, 8)),
        (nn.Conv2d(16, 16, 3, 2, padding=1), (4, 1)),
    ],
)
def test_short_images_are_computed_in_float32(layer, shape):
    image = torch.randn(2, 16, *shape)
    expected = gradient(layer, image, half=False)
    exact = with_exact_gradients(copy.deepcopy(layer))
    found = gradient(exact, image, half=True)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype is torch.float32
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("layer", "shape"), [(nn.Conv3d(4, 4, (1, 3, 3)), (2, 8, 8)), (nn.Conv2d(4, 4, 3), (3, 3))])
def test_other_images_keep_half_precision(layer, shape):
    with torch.autocast("cpu", torch.bfloat16):
        assert with_exact_gradients(layer)(torch.randn(1, 4, *shape)).dtype is torch.bfloat16


def test_layers_keep_their_weights_and_names_and_other_classes_are_left():
    class Own(nn.Conv3d):
        pass

    network = nn.Sequential(nn.Conv3d(1, 2, 3), JoinedConv3d(4, 2, 3, padding=1), Own(2, 2, 3), nn.Conv3d(2, 2, 1))
    before, own, point = dict(network.named_parameters()), network[2], network[3]
    assert with_exact_gradients(network) is network
    assert all(found is before[name] for name, found in network.named_parameters())
    assert (network[2], network[3]) == (own, point)
    images = [torch.ones(1, 2, 2, 4, 4), torch.ones(1, 2, 2, 4, 4)]
    with torch.autocast("cpu", torch.bfloat16):
        assert network[1](images).dtype is torch.float32
    assert images == []
