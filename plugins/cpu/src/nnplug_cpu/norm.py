"""Instance norm with learned scale and shift on a CPU: for training, and for prediction.

In training, batch norm's fused kernels compute the statistics. In prediction, labels near a border depend on the last
digits of the statistics: they are computed in two passes, in single precision within a part and in double precision
between parts. PyTorch's own instance norm copies a channels-last image to the other order, and its result is a second
copy.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nnplug.ops.layers.replacement import channels_last

_NEAR = 1 << 20  # numbers, 4 MB: a part fits into the cache, and is read three times


class PerSampleNorm3d(nn.InstanceNorm3d):
    """An nn.InstanceNorm3d with learned scale and shift, without running statistics."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm3d's)
        x = input.contiguous(memory_format=channels_last(input.dim()))
        y: Tensor = _PerSampleNorm.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        return y


class PerSampleNorm2d(nn.InstanceNorm2d):
    """An nn.InstanceNorm2d with learned scale and shift, without running statistics."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm2d's)
        x = input.contiguous(memory_format=channels_last(input.dim()))
        y: Tensor = _PerSampleNorm.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        return y


class InPlaceNorm3d(nn.InstanceNorm3d):
    """An nn.InstanceNorm3d with learned scale and shift that overwrites its input, without statistics or gradients."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm3d's)
        return normalise_(input, self.weight, self.bias, self.eps)


class InPlaceNorm2d(nn.InstanceNorm2d):
    """An nn.InstanceNorm2d with learned scale and shift that overwrites its input, without statistics or gradients."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm2d's)
        return normalise_(input, self.weight, self.bias, self.eps)


class PreciseNorm3d(nn.InstanceNorm3d):
    """A precise nn.InstanceNorm3d with learned scale and shift, without running statistics or gradients."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm3d's)
        return normalise_(input.clone(), self.weight, self.bias, self.eps)


class PreciseNorm2d(nn.InstanceNorm2d):
    """A precise nn.InstanceNorm2d with learned scale and shift, without running statistics or gradients."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm2d's)
        return normalise_(input.clone(), self.weight, self.bias, self.eps)


def normalise_(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Apply instance norm in place to x (batch, channels, *size); weight and bias are (channels)."""
    size = tuple(range(2, x.dim()))
    rows, count = max(1, _NEAR * x.shape[2] // x.numel()), x[0, 0].numel()
    parts = [x[:, :, start : start + rows] for start in range(0, x.shape[2], rows)]
    mean = torch.stack([part.sum(size, keepdim=True).double() for part in parts]).sum(0) / count
    single = mean.float()
    squares = [(part - single).square_().sum(size, keepdim=True).double() for part in parts]
    variance = torch.stack(squares).sum(0) / count
    per_channel = (1, -1, *(1 for _ in size))
    scale = weight.double().view(per_channel) / (variance + epsilon).sqrt()
    shift = bias.double().view(per_channel) - mean * scale
    for part in parts:
        part.mul_(scale.float()).add_(shift.float())
    return x


class _PerSampleNorm(torch.autograd.Function):
    """Batch norm's fused kernels, one sample at a time: the statistics are then those of instance norm."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        """Normalise x (batch, channels, ...); weight and bias are (channels)."""
        y, statistics = torch.empty_like(x), x.new_empty(len(x), 2, x.shape[1])
        for sample, target, (mean, inverse_deviation) in zip(x[:, None], y[:, None], statistics, strict=True):
            torch.native_batch_norm(
                sample, weight, bias, None, None, training=True, momentum=0.0, eps=epsilon,
                out=(target, mean, inverse_deviation),
            )  # fmt: skip
        ctx.save_for_backward(x, weight, statistics)
        ctx.epsilon = epsilon
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, statistics = ctx.saved_tensors
        for_x, for_weight, for_bias = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(weight)
        gradient = gradient.contiguous(memory_format=channels_last(x.dim()))
        for i, (mean, inverse_deviation) in enumerate(statistics):
            for_x[i : i + 1], scale, shift = torch.ops.aten.native_batch_norm_backward(
                gradient[i : i + 1], x[i : i + 1], weight, None, None, mean, inverse_deviation,
                train=True, eps=ctx.epsilon, output_mask=[True, True, True],
            )  # fmt: skip
            for_weight += scale
            for_bias += shift
        return for_x, for_weight, for_bias, None
