"""Replace layers of a network by faster ones, which share parameters, buffers and settings with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import nn

from nnplug.ops.layers.joined_conv import JoinedConv2d, JoinedConv3d
from nnplug.ops.layers.leaky_relu import InPlaceLeakyReLU
from nnplug.ops.layers.replacement import (
    as_kind,
    is_affine_norm,
    is_sequence,
    is_watched,
    order_channels_last,
    with_layers,
)
from nnplug_cuda.norm import (
    FusedNorm2d,
    FusedNorm3d,
    UnbiasedConv2d,
    UnbiasedConv3d,
    UnbiasedJoinedConv2d,
    UnbiasedJoinedConv3d,
)

_NORMS: dict[type[nn.Module], type[nn.Module]] = {nn.InstanceNorm2d: FusedNorm2d, nn.InstanceNorm3d: FusedNorm3d}
_CONVOLUTIONS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: UnbiasedConv2d,
    nn.Conv3d: UnbiasedConv3d,
    JoinedConv2d: UnbiasedJoinedConv2d,
    JoinedConv3d: UnbiasedJoinedConv3d,
}
_LEAKY = (nn.LeakyReLU, InPlaceLeakyReLU)
_CONTIGUOUS = (nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm)
"""Layers that PyTorch computes in contiguous order: each would copy its maps twice in a network of the other order."""


def with_fused_norms(network: nn.Module) -> nn.Module | None:
    """Return `network` with fused norms in channels-last order, or None if norms would be left that it slows down."""
    if not any(is_affine_norm(layer) for layer in network.modules()):
        return None
    if any(isinstance(layer, _CONTIGUOUS) and not is_affine_norm(layer) for layer in network.modules()):
        return None
    made = _replacements(network)
    network = with_layers(network, made)
    order_channels_last(network)
    return network


def _replacements(network: nn.Module) -> dict[nn.Module, nn.Module]:
    """Return the new layer of each layer that is replaced."""
    made = {layer: as_kind(_NORMS[type(layer)], layer) for layer in network.modules() if is_affine_norm(layer)}
    places = Counter(layer for _, layer in network.named_modules(remove_duplicate=False))
    for conv, norm, activation in _blocks(network):
        if any(places[layer] > 1 or is_watched(layer) for layer in (conv, norm, activation) if layer is not None):
            continue
        if activation is not None:
            vars(made[norm])["negative_slope"] = activation.negative_slope
            made[activation] = nn.Identity()
        if conv is not None:
            made[conv] = as_kind(_CONVOLUTIONS[type(conv)], conv)
    return made


def _blocks(network: nn.Module) -> Iterator[tuple[nn.Module | None, nn.Module, nn.LeakyReLU | None]]:
    """Yield each norm in an `nn.Sequential` with the convolution before it and the leaky ReLU after it, if any."""
    for block in network.modules():
        if not is_sequence(block):
            continue
        layers = [layer for layer in block if type(layer) is not nn.Identity]
        for before, norm, after in zip([None, *layers], layers, [*layers[1:], None], strict=False):
            if is_affine_norm(norm):
                conv = before if type(before) in _CONVOLUTIONS else None
                yield conv, norm, after if isinstance(after, nn.LeakyReLU) and type(after) in _LEAKY else None
