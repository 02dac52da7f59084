"""Replace layers of a network by faster ones.

A new layer shares the parameters, buffers, hooks and settings of the layer that it replaces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from torch import nn

from nnplug.ops.layers.joined_conv import JoinedConv2d, JoinedConv3d
from nnplug.ops.layers.replacement import (
    as_kind,
    is_affine_norm,
    is_sequence,
    is_watched,
    order_channels_last,
    with_layers,
)
from nnplug_cpu.layers import (
    PointwiseConv2d,
    PointwiseConv3d,
    Winograd,
    WinogradConv2d,
    WinogradConv3d,
    WinogradJoinedConv2d,
    WinogradJoinedConv3d,
)
from nnplug_cpu.norm import (
    InPlaceNorm2d,
    InPlaceNorm3d,
    PerSampleNorm2d,
    PerSampleNorm3d,
    PreciseNorm2d,
    PreciseNorm3d,
)
from nnplug_cpu.tiling import LARGEST_TILE, PRECISE_TILE, TAPS
from nnplug_cpu.unpooling import Unpooling2d, Unpooling3d, UnpoolingByRows2d, UnpoolingByRows3d

_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, JoinedConv2d, JoinedConv3d)
_TRANSPOSED = (nn.ConvTranspose2d, nn.ConvTranspose3d)
_WINOGRAD = {
    nn.Conv2d: WinogradConv2d,
    nn.Conv3d: WinogradConv3d,
    JoinedConv2d: WinogradJoinedConv2d,
    JoinedConv3d: WinogradJoinedConv3d,
}
_POINTWISE = {nn.Conv2d: PointwiseConv2d, nn.Conv3d: PointwiseConv3d}
_WITHOUT_EFFECT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)

Choice = Callable[[nn.Module], type[nn.Module] | None]
"""A layer -> the class that computes the same faster, or None; always None for subclasses of PyTorch's layers."""


def for_training(network: nn.Module) -> nn.Module | None:
    """Return `network` with layers that train faster; None if no layer can be replaced."""

    def choose(layer: nn.Module) -> type[nn.Module] | None:
        if is_unpooling(layer):
            return Unpooling3d if isinstance(layer, nn.ConvTranspose3d) else Unpooling2d
        if is_affine_norm(layer):
            return PerSampleNorm3d if isinstance(layer, nn.InstanceNorm3d) else PerSampleNorm2d
        return faster_convolution(layer)

    return _replaced(network, choose, largest_tile=LARGEST_TILE)


def for_prediction(network: nn.Module) -> nn.Module | None:
    """Return `network` with layers that predict faster and in less memory; None if no layer can be replaced.

    It uses the more precise tiles of Winograd's filtering. It does not use the fused statistics of norms, which lose
    digits that labels near a border depend on.
    """
    alone = _norms_after_convolutions(network)

    def choose(layer: nn.Module) -> type[nn.Module] | None:
        if is_unpooling(layer):
            return UnpoolingByRows3d if isinstance(layer, nn.ConvTranspose3d) else UnpoolingByRows2d
        if is_affine_norm(layer):
            solid = isinstance(layer, nn.InstanceNorm3d)
            if layer in alone:
                return InPlaceNorm3d if solid else InPlaceNorm2d
            return PreciseNorm3d if solid else PreciseNorm2d
        return faster_convolution(layer)

    return _replaced(network, choose, largest_tile=PRECISE_TILE)


def faster_convolution(layer: nn.Module) -> type[nn.Module] | None:
    """Return the class that computes a convolution faster, if there is one."""
    kind = type(layer)
    if kind not in _CONVOLUTIONS or not isinstance(layer, nn.Conv2d | nn.Conv3d):
        return None
    plain = {*layer.stride, *layer.dilation, layer.groups} == {1} and layer.padding_mode == "zeros"
    keeps_size = tuple(layer.padding) == tuple((k - 1) / 2 for k in layer.kernel_size)
    if not (plain and keeps_size):
        return None
    if set(layer.kernel_size) == {1}:
        return _POINTWISE.get(kind)
    return _WINOGRAD[kind] if layer.kernel_size[0] == TAPS and layer.in_channels > 1 else None


def is_unpooling(layer: nn.Module) -> bool:
    """Return whether a layer is a transposed convolution without overlap."""
    if type(layer) not in _TRANSPOSED or not isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d):
        return False
    plain = {*layer.padding, *layer.output_padding} == {0} and {*layer.dilation, layer.groups} == {1}
    return plain and layer.kernel_size == layer.stride


def _replaced(network: nn.Module, choose: Choice, *, largest_tile: int) -> nn.Module | None:
    """Replace layers in `network`; a layer with several positions stays one layer."""
    made = {layer: as_kind(kind, layer) for layer in network.modules() if (kind := choose(layer)) is not None}
    if not made:
        return None
    for layer in made.values():
        if isinstance(layer, Winograd):
            layer.largest_tile = largest_tile
    network = with_layers(network, made)
    order_channels_last(network)
    return network


def _norms_after_convolutions(network: nn.Module) -> set[nn.Module]:
    """Return the norms whose input is used only once: the result of a convolution in the same `nn.Sequential`.

    Layers with several positions in the network, and layers with hooks, are excluded.
    """
    places = Counter(layer for _, layer in network.named_modules(remove_duplicate=False))
    found = set()
    for block in network.modules():
        fresh = False
        for layer in _in_order(block) if is_sequence(block) else ():
            if fresh and is_affine_norm(layer) and places[layer] == 1 and not is_watched(layer):
                found.add(layer)
            fresh = type(layer) in (*_CONVOLUTIONS, *_TRANSPOSED) or (fresh and isinstance(layer, _WITHOUT_EFFECT))
            fresh = fresh and not is_watched(layer)
    return found


def _in_order(block: nn.Sequential) -> Iterator[nn.Module]:
    """Yield the layers that a sequence calls one after another, including those of inner sequences."""
    for layer in block:
        if is_sequence(layer) and not is_watched(layer):
            yield from _in_order(layer)
        else:
            yield layer
