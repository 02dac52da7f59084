"""Faster versions of convolutions that PyTorch computes slowly on a CPU; results are equal to rounding.

Measured with PyTorch 2.13 (oneDNN 3.12) on a CPU without AVX512; bench/rows/step.py measures the whole step:

* Convolutions of kernel size 3 use fewer multiplications (`winograd`).
* Convolutions of kernel size 1 with few outputs do not use oneDNN; transposed convolutions without overlap use it, but
  slowly, above all backward. Both are matrix products here (the transposed ones in `unpooling`).
* Instance norm copies channels-last images, and group norm's gradient is slow. Batch norm of one sample has neither
  problem (`norm`).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from nnplug.ops.layers.joined_conv import JoinedConv2d, JoinedConv3d
from nnplug_cpu import winograd
from nnplug_cpu.tiling import Tiling


class Winograd(_ConvNd):
    """A convolution with kernel size 3, stride 1 and padding 1 along the first axis."""

    largest_tile: int

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 (PyTorch's)
        tiling = Tiling.best(input.shape[2], self.largest_tile)
        if tiling is None:
            direct: Tensor = super()._conv_forward(input, weight, bias)
            return direct
        return winograd.convolve(input, weight, bias, cast(tuple[int, ...], self.padding), tiling)


class WinogradJoined(Winograd):
    """The same for images that are joined along their channels; without gradients it does not copy them."""

    def forward(self, images: list[Tensor]) -> Tensor:
        """Return the convolution (batch, out, *size) of the joined images; see `JoinedConv3d`."""
        tiling = Tiling.best(images[0].shape[2], self.largest_tile)
        if tiling is None or torch.is_grad_enabled():
            joined: Tensor = super().forward(images)
            return joined
        parts = tuple(images)
        images.clear()
        return winograd.convolve_joined(parts, self.weight, self.bias, cast(tuple[int, ...], self.padding), tiling)


class WinogradConv3d(Winograd, nn.Conv3d):
    """An nn.Conv3d by Winograd's algorithm."""


class WinogradConv2d(Winograd, nn.Conv2d):
    """An nn.Conv2d by Winograd's algorithm."""


class WinogradJoinedConv3d(WinogradJoined, JoinedConv3d):  # type: ignore[misc] # takes a list, as JoinedConv3d
    """A JoinedConv3d by Winograd's algorithm."""


class WinogradJoinedConv2d(WinogradJoined, JoinedConv2d):  # type: ignore[misc] # takes a list, as JoinedConv2d
    """A JoinedConv2d by Winograd's algorithm."""


class PointwiseConv3d(nn.Conv3d):
    """An nn.Conv3d with kernel size 1 and stride 1."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 (nn.Conv3d's)
        return _pointwise(input, weight, bias)


class PointwiseConv2d(nn.Conv2d):
    """An nn.Conv2d with kernel size 1 and stride 1."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 (nn.Conv2d's)
        return _pointwise(input, weight, bias)


def _pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve x (batch, in, *size) with weight (out, in, 1, ...)."""
    y: Tensor = nn.functional.linear(x.movedim(1, -1), weight.flatten(1), bias)
    return y.movedim(-1, 1)
