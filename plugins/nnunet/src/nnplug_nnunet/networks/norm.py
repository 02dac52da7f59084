"""Instance norm of what nobody else needs: into the memory of its input, a part at a time. For predicting on a CPU.

PyTorch's copies a channels-last image to the other order, and its result is a second copy. Statistics are those of two
passes, in single precision within a part and in double between parts: labels near a border depend on their last digits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_NEAR = 1 << 20  # numbers, 4 MB: a part is read three times, the last two from cache


class InPlaceNorm3d(nn.InstanceNorm3d):
    """nn.InstanceNorm3d with learned scale and shift, without running statistics or gradients."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm3d's)
        return normalise_(input, self.weight, self.bias, self.eps)


class InPlaceNorm2d(nn.InstanceNorm2d):
    """nn.InstanceNorm2d with learned scale and shift, without running statistics or gradients."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm2d's)
        return normalise_(input, self.weight, self.bias, self.eps)


def normalise_(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Instance norm of x (batch, channels, *size), in place; weight and bias (channels)."""
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
