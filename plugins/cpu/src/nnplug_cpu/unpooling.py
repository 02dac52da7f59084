"""Transposed convolutions whose windows do not overlap, as one matrix product, for CPUs; oneDNN is much slower."""

from __future__ import annotations

import math

from torch import Tensor, nn

_NEAR = 1 << 20  # numbers, 4 MB: a part of this size is still in cache when it is written into the result


class Unpooling3d(nn.ConvTranspose3d):
    """An nn.ConvTranspose3d whose stride is its kernel size."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002, ARG002 (nn.ConvTranspose3d's)
        return _scatter(input, self.weight, self.bias)


class Unpooling2d(nn.ConvTranspose2d):
    """An nn.ConvTranspose2d whose stride is its kernel size."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002, ARG002 (nn.ConvTranspose2d's)
        return _scatter(input, self.weight, self.bias)


class UnpoolingByRows3d(nn.ConvTranspose3d):
    """An nn.ConvTranspose3d whose stride is its kernel size, without gradients."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002, ARG002 (nn.ConvTranspose3d's)
        return _scatter_by_rows(input, self.weight, self.bias)


class UnpoolingByRows2d(nn.ConvTranspose2d):
    """An nn.ConvTranspose2d whose stride is its kernel size, without gradients."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002, ARG002 (nn.ConvTranspose2d's)
        return _scatter_by_rows(input, self.weight, self.bias)


def _scatter(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply each element of x (batch, in, *size) by weight (in, out, *kernel) -> (batch, out, *size x kernel)."""
    (batch, _, *size), (_, channels, *kernel) = x.shape, weight.shape
    axes = len(size)
    y = nn.functional.linear(x.movedim(1, -1), weight.movedim(1, -1).flatten(1).T, _repeat(bias, kernel))
    y = y.view(batch, *size, *kernel, channels)
    interleaved = [
        axis for pair in zip(range(1, axes + 1), range(axes + 1, 2 * axes + 1), strict=True) for axis in pair
    ]
    shape = [n * k for n, k in zip(size, kernel, strict=True)]
    return y.permute(0, *interleaved, 2 * axes + 1).reshape(batch, *shape, channels).movedim(-1, 1)


def _scatter_by_rows(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute `_scatter` for some rows at a time and write each part into the result."""
    (batch, _, rows, *_), (_, channels, *kernel) = x.shape, weight.shape
    size = [n * k for n, k in zip(x.shape[2:], kernel, strict=True)]
    y = x.new_empty(batch, *size, channels).movedim(-1, 1)
    at_once = max(1, _NEAR * rows // y.numel())
    for start in range(0, rows, at_once):
        part = _scatter(x[:, :, start : start + at_once], weight, bias)
        y[:, :, start * kernel[0] :][:, :, : part.shape[2]] = part
    return y


def _repeat(bias: Tensor | None, kernel: list[int]) -> Tensor | None:
    return None if bias is None else bias.repeat(math.prod(kernel))
