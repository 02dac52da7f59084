"""Instance norm with leaky ReLU in one layer, and convolutions before it without their bias."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from nnplug.ops.layers.joined_conv import JoinedConv2d, JoinedConv3d, join
from nnplug.ops.layers.replacement import channels_last
from nnplug_cuda.fused_norm import gradients, normalised, statistics


class FusedNorm3d(nn.InstanceNorm3d):
    """An nn.InstanceNorm3d with learned scale and shift, without running statistics, and a leaky ReLU after it.

    Attributes:
        negative_slope: of the leaky ReLU; 1 for none.
    """

    negative_slope = 1.0

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm3d's)
        return fused(self, input)


class FusedNorm2d(nn.InstanceNorm2d):
    """An nn.InstanceNorm2d as `FusedNorm3d`."""

    negative_slope = 1.0

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm2d's)
        return fused(self, input)


class UnbiasedConv3d(nn.Conv3d):
    """An nn.Conv3d before an instance norm, which removes any bias: it is not added, and its gradient is 0."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.Conv3d's)
        return without_bias(self, input)


class UnbiasedConv2d(nn.Conv2d):
    """An nn.Conv2d as `UnbiasedConv3d`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.Conv2d's)
        return without_bias(self, input)


class UnbiasedJoinedConv3d(JoinedConv3d):
    """A `JoinedConv3d` as `UnbiasedConv3d`."""

    def forward(self, images: list[Tensor]) -> Tensor:  # type: ignore[override]
        return without_bias(self, join(images))


class UnbiasedJoinedConv2d(JoinedConv2d):
    """A `JoinedConv2d` as `UnbiasedConv3d`."""

    def forward(self, images: list[Tensor]) -> Tensor:  # type: ignore[override]
        return without_bias(self, join(images))


def fused(norm: FusedNorm2d | FusedNorm3d, image: Tensor) -> Tensor:
    """Return the norm of an image (B, C, *size) with its leaky ReLU."""
    slope = norm.negative_slope
    if torch.compiler.is_compiling():  # the compiler fuses both itself, and with what surrounds them
        plain = functional.instance_norm(image, weight=norm.weight, bias=norm.bias, eps=norm.eps)
        return plain if slope == 1 else functional.leaky_relu(plain, slope)
    x = image.contiguous(memory_format=channels_last(image.dim()))
    y: Tensor = _FusedNorm.apply(x, norm.weight, norm.bias, norm.eps, slope)  # type: ignore[no-untyped-call]
    return y


def without_bias(conv: nn.Conv2d | nn.Conv3d, image: Tensor) -> Tensor:
    """Return the convolution without its bias, whose gradient becomes 0, so that weight decay still reaches it."""
    y: Tensor = conv._conv_forward(image, conv.weight, None)  # noqa: SLF001 - knows all modes of padding
    if conv.bias is None or not torch.is_grad_enabled():
        return y
    kept: Tensor = _WithoutEffect.apply(y, conv.bias)  # type: ignore[no-untyped-call]
    return kept


class _FusedNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, slope: float) -> Tensor:
        """Normalise x (batch, channels, ...), channels last; weight and bias are (channels)."""
        found = statistics(x, epsilon)
        ctx.save_for_backward(x, found, weight, bias)
        ctx.slope = slope
        return normalised(x, found, weight, bias, slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        gradient = gradient.contiguous(memory_format=channels_last(gradient.dim()))
        x, found, weight, bias = ctx.saved_tensors
        return *gradients(gradient, x, found, weight, bias, ctx.slope), None, None


class _WithoutEffect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, bias: Tensor) -> Tensor:
        """Return y; bias (channels) has no effect."""
        ctx.save_for_backward(bias)
        return y.view_as(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, torch.zeros_like(*ctx.saved_tensors)
