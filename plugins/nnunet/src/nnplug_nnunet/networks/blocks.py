"""Convolution blocks. Attribute names are part of the weights' format: they are those of nnU-Net v2's networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from nnplug.ops.layers.joined_conv import JoinedConv2d, JoinedConv3d
from nnplug.ops.layers.leaky_relu import InPlaceLeakyReLU

NEGATIVE_SLOPE = 0.01
"""The slope of every leaky ReLU, and of the matching initialisation."""

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_JOINED_CONV = {2: JoinedConv2d, 3: JoinedConv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_POOL = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
_DROPOUT = {2: nn.Dropout2d, 3: nn.Dropout3d}
_NORM: dict[str, dict[int, type[nn.Module]]] = {
    "instance": {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d},
    "batch": {2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
}


@dataclass(frozen=True)
class Layers:
    """The elementary layers of one network, chosen once.

    Attributes:
        dimensions: number of spatial axes, 2 or 3.
        norm: the normalisation after each convolution.
        dropout: probability that a channel is dropped after each convolution; 0 for none.
        bias: whether convolutions add a bias.
    """

    dimensions: Literal[2, 3]
    norm: Literal["instance", "batch"] = "instance"
    dropout: float = 0.0
    bias: bool = True

    def conv(
        self, channels: int, outputs: int, kernel: Sequence[int], stride: Sequence[int], *, bias: bool | None = None
    ) -> nn.Module:
        """Return a convolution that keeps the size at stride 1; kernel sizes are odd."""
        padding = tuple((k - 1) // 2 for k in kernel)
        bias = self.bias if bias is None else bias
        return _CONV[self.dimensions](channels, outputs, tuple(kernel), tuple(stride), padding, bias=bias)  # type: ignore[arg-type]

    def joined_conv(self, channels: int, outputs: int, kernel: Sequence[int]) -> nn.Module:
        """Return a convolution at stride 1 of a list of images that have `channels` channels together."""
        padding = tuple((k - 1) // 2 for k in kernel)
        return _JOINED_CONV[self.dimensions](channels, outputs, tuple(kernel), 1, padding, bias=self.bias)  # type: ignore[arg-type]

    def pointwise(self, channels: int, outputs: int, *, bias: bool) -> nn.Module:
        """Return a 1x1 convolution."""
        return self.conv(channels, outputs, self.ones, self.ones, bias=bias)

    def upsampling(self, channels: int, outputs: int, stride: Sequence[int]) -> nn.Module:
        """Return a transposed convolution whose windows do not overlap: it reverses a stride."""
        return _TRANSPOSED[self.dimensions](channels, outputs, tuple(stride), tuple(stride), bias=self.bias)  # type: ignore[arg-type]

    def pool(self, stride: Sequence[int]) -> nn.Module:
        """Return average pooling without overlap."""
        return _POOL[self.dimensions](tuple(stride), tuple(stride))  # type: ignore[arg-type]

    def normalisation(self, channels: int) -> nn.Module:
        """Return a normalisation with a learned scale and shift per channel."""
        return _NORM[self.norm][self.dimensions](channels, eps=1e-5, affine=True)

    def drop(self) -> nn.Module:
        """Return dropout of whole channels, or an identity if the probability is 0."""
        return _DROPOUT[self.dimensions](self.dropout) if self.dropout else nn.Identity()

    @property
    def ones(self) -> tuple[int, ...]:
        """A stride, or a kernel, of 1 in every axis."""
        return (1,) * self.dimensions


class ConvBlock(nn.Sequential):
    """Convolution, dropout, normalisation, leaky ReLU: (B, channels, *size) -> (B, outputs, *size / stride)."""

    def __init__(self, layers: Layers, conv: nn.Module, outputs: int) -> None:
        """Begin with `conv`, which returns `outputs` channels."""
        super().__init__()
        self.conv = conv
        self.dropout = layers.drop()
        self.norm = layers.normalisation(outputs)
        self.nonlin: nn.Module = InPlaceLeakyReLU(NEGATIVE_SLOPE)


class LinearConvBlock(nn.Sequential):
    """Convolution and normalisation without activation: the end of a path that is added to another path."""

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        """Store the layers unchanged."""
        super().__init__()
        self.conv = conv
        self.norm = norm


class ConvStack(nn.Module):
    """A sequence of convolution blocks."""

    def __init__(self, layers: Layers, n: int, conv: nn.Module, outputs: int, kernel: Sequence[int]) -> None:
        """Begin the first of `n` blocks with `conv`, which returns `outputs` channels."""
        super().__init__()
        first = ConvBlock(layers, conv, outputs)
        rest = (ConvBlock(layers, layers.conv(outputs, outputs, kernel, layers.ones), outputs) for _ in range(n - 1))
        self.convs = nn.Sequential(first, *rest)

    def forward(self, x: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
        """Return features (B, outputs, *size / stride); `x` is an input of the first convolution."""
        y: torch.Tensor = self.convs(x)
        return y


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip; the skip is pooled if there is a stride, and projected if the channels change."""

    def __init__(
        self, layers: Layers, channels: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]
    ) -> None:
        """Give the stride to the first convolution."""
        super().__init__()
        self.conv1 = ConvBlock(layers, layers.conv(channels, outputs, kernel, stride), outputs)
        second = layers.conv(outputs, outputs, kernel, layers.ones)
        self.conv2 = LinearConvBlock(second, layers.normalisation(outputs))
        self.nonlin2 = InPlaceLeakyReLU(NEGATIVE_SLOPE)
        self.skip = nn.Sequential()
        if any(s != 1 for s in stride):
            self.skip.append(layers.pool(stride))
        if channels != outputs:
            projection = layers.pointwise(channels, outputs, bias=False)
            self.skip.append(LinearConvBlock(projection, layers.normalisation(outputs)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, *size) to (B, outputs, *size / stride)."""
        y: torch.Tensor = self.nonlin2(self.conv2(self.conv1(x)) + self.skip(x))
        return y


class ResidualStack(nn.Module):
    """A sequence of residual blocks; the first has the stride."""

    def __init__(
        self, layers: Layers, n: int, channels: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]
    ) -> None:
        """Make `n` blocks."""
        super().__init__()
        first = ResidualBlock(layers, channels, outputs, kernel, stride)
        rest = (ResidualBlock(layers, outputs, outputs, kernel, layers.ones) for _ in range(n - 1))
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, *size) to (B, outputs, *size / stride)."""
        y: torch.Tensor = self.blocks(x)
        return y
