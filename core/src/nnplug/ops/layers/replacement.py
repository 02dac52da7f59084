"""Replace layers of a network by faster ones, for accelerators.

A new layer shares the parameters, buffers, hooks and settings of the layer that it replaces, so that names and files of
weights stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

import torch
from torch import nn

_NORMS = (nn.InstanceNorm2d, nn.InstanceNorm3d)


def as_kind(kind: type[nn.Module], layer: nn.Module) -> nn.Module:
    """Return a layer of another class that shares all attributes of `layer`, as `copy.copy` does for the same class."""
    faster = kind.__new__(kind)
    vars(faster).update(vars(layer))
    return faster


def with_layers(network: nn.Module, made: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Return `network` with other layers in it; a layer with several positions stays one layer.

    Args:
        network: is changed, or is itself one of the layers.
        made: layer of the network -> the layer in its place.
    """
    for path, layer in list(network.named_modules(remove_duplicate=False)):
        if layer in made and path:
            parent, _, name = path.rpartition(".")
            setattr(network.get_submodule(parent), name, made[layer])
    return made.get(network, network)


def order_channels_last(network: nn.Module) -> None:
    """Move the weights of convolutions to channels-last order; the parameters stay the same objects."""
    for parameter in network.parameters():
        if parameter.dim() in (4, 5):
            # Not `contiguous`, which keeps the strides of a kernel with one input channel: PyTorch chooses
            # the order of the output by these strides.
            order = channels_last(parameter.dim())
            parameter.data = torch.empty_like(parameter.data, memory_format=order).copy_(parameter.data)


def channels_last(dimensions: int) -> torch.memory_format:
    """Return the memory format for tensors with batch, channels and 2 or 3 spatial axes: 4 or 5 `dimensions`."""
    return torch.channels_last if dimensions == 4 else torch.channels_last_3d


def is_affine_norm(layer: nn.Module) -> bool:
    """Return whether a layer is PyTorch's instance norm with scale and shift, without running statistics."""
    if type(layer) not in _NORMS or not isinstance(layer, nn.InstanceNorm2d | nn.InstanceNorm3d):
        return False
    return layer.affine and not layer.track_running_stats


def is_sequence(block: nn.Module) -> TypeGuard[nn.Sequential]:
    """Return whether a block calls its layers one after the other, as `nn.Sequential` does."""
    return isinstance(block, nn.Sequential) and type(block).forward is nn.Sequential.forward


def is_watched(layer: nn.Module) -> bool:
    """Return whether a hook reads the input or the output of a layer."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks)  # noqa: SLF001 - PyTorch has no public attribute
