"""Layers of accelerators take the place of others: same parameters, same positions, channels last."""

from __future__ import annotations

import torch
from torch import nn

from nnplug.ops.layers.replacement import (
    as_kind,
    is_affine_norm,
    is_sequence,
    is_watched,
    order_channels_last,
    with_layers,
)


class Doubled(nn.Conv3d):
    def forward(self, input):  # noqa: A002
        return 2 * super().forward(input)


def test_a_layer_keeps_its_parameters_and_every_position():
    conv = nn.Conv3d(1, 1, 1)
    network = nn.Sequential(conv, nn.ReLU(), nn.Sequential(conv))
    names = list(network.state_dict())
    faster = with_layers(network, {conv: as_kind(Doubled, conv)})
    assert faster is network
    assert type(faster[0]) is Doubled
    assert faster[2][0] is faster[0]
    assert faster[0].weight is conv.weight
    assert list(faster.state_dict()) == names


def test_a_network_can_itself_be_the_layer():
    conv = nn.Conv3d(1, 1, 1)
    assert type(with_layers(conv, {conv: as_kind(Doubled, conv)})) is Doubled


def test_weights_of_one_input_channel_are_channels_last_too():
    network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Conv2d(1, 4, 3), nn.Linear(2, 2))
    parameters = list(network.parameters())
    order_channels_last(network)
    assert all(now is before for now, before in zip(network.parameters(), parameters, strict=True))
    assert network[0].weight.stride() == (27, 1, 9, 3, 1)
    assert network[1].weight.stride() == (9, 1, 3, 1)
    maps = network[0].weight.new_zeros(2, 1, 5, 5, 5)
    assert network[0](maps).is_contiguous(memory_format=torch.channels_last_3d)


def test_only_norms_with_scale_and_without_running_statistics_are_affine():
    assert is_affine_norm(nn.InstanceNorm3d(2, affine=True))
    assert not is_affine_norm(nn.InstanceNorm2d(2))
    assert not is_affine_norm(nn.InstanceNorm2d(2, affine=True, track_running_stats=True))
    assert not is_affine_norm(nn.BatchNorm3d(2))


def test_a_subclass_with_its_own_forward_is_no_sequence():
    class Other(nn.Sequential):
        def forward(self, x):
            return x

    assert is_sequence(nn.Sequential())
    assert not is_sequence(Other())


def test_a_hook_watches_a_layer():
    layer = nn.ReLU()
    assert not is_watched(layer)
    layer.register_forward_hook(lambda *_: None)
    assert is_watched(layer)
