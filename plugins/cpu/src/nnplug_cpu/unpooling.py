"""Transposed convolutions whose windows do not overlap, as one matrix product, for CPUs; oneDNN takes much longer."""

from __future__ import annotations

import math

from torch import Tensor, nn

_NEAR = 1 << 20  # numbers, 4 MB: what is made of so many is still in cache when it is put into its place


class Unpooling3d(nn.ConvTranspose3d):
    """nn.ConvTranspose3d with its kernel size as stride."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002, ARG002 (nn.ConvTranspose3d's)
        return _scatter(input, self.weight, self.bias)


class Unpooling2d(nn.ConvTranspose2d):
    """nn.ConvTranspose2d with its kernel size as stride."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002, ARG002 (nn.ConvTranspose2d's)
        return _scatter(input, self.weight, self.bias)


class UnpoolingByRows3d(nn.ConvTranspose3d):
    """nn.ConvTranspose3d with its kernel size as stride, without gradients."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002, ARG002 (nn.ConvTranspose3d's)
        return _scatter_by_rows(input, self.weight, self.bias)


class UnpoolingByRows2d(nn.ConvTranspose2d):
    """nn.ConvTranspose2d with its kernel size as stride, without gradients."""

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
    """`_scatter` of some rows after the other, into their place."""
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
