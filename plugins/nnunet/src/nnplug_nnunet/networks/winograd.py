"""Convolution by Winograd's minimal filtering along one axis, for CPUs.

A convolution on a CPU runs at the speed of its arithmetic units, so only fewer multiplications make it faster. F(4, 3)
(Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016) takes 6 where the definition takes 12,
for 4 outputs of a kernel of size 3. It is used along the first spatial axis only: there it costs next to no precision
(relative errors of 5e-7 instead of 2e-7 in float32), and with channels last its transforms act on contiguous planes,
so they are matrix products at the speed of memory. The other axes are left to PyTorch's 2D convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_TILE = 4  # outputs per tile: F(4, 3)
TAPS = 3
"""Weights of a kernel along the axis."""
_POINTS = _TILE + TAPS - 1  # inputs per tile, and products per tile
_BIAS_POINT = 1  # its column of _POINTS_TO_OUTPUTS is all ones: a constant added there is added to every output
SMALLEST_EXTENT = 7
"""Of an image along the axis: below it, the last tile's unused outputs cost more than the others save."""

# Lavin and Gray 2016, section 4.3: with @ for the matrix product, outputs =
# _POINTS_TO_OUTPUTS @ ((_WEIGHTS_TO_POINTS @ weights) * (_INPUTS_TO_POINTS @ inputs)).
_INPUTS_TO_POINTS = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
_WEIGHTS_TO_POINTS = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
_POINTS_TO_OUTPUTS = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: Sequence[int]) -> Tensor:
    """What nn.functional.conv2d or conv3d gives at stride 1, if the first spatial axis has kernel size 3, padding 1.

    Args:
        x: (batch, in, y, x) or (batch, in, z, y, x), of any memory format.
        weight: (out, in, 3, kernel of the other axes).
        bias: (out).
        padding: of each spatial axis; the first is 1.

    Returns:
        (batch, out, ...) in channels-last order. Its gradients cannot be differentiated again.
    """
    if x.dim() == 4:
        return convolve(x.unsqueeze(3), weight.unsqueeze(3), bias, (padding[0], 0, padding[1])).squeeze(3)
    y: Tensor = _Filter.apply(*_channels_last(x, weight), bias, padding[1:])  # type: ignore[no-untyped-call]
    return y.movedim(-1, 1)


class _Filter(torch.autograd.Function):
    """Filter the first spatial axis by products of tiles, the others by 2D convolutions of all tiles at once.

    All tensors here are contiguous with their channels last: images (batch, z, y, x, channels), weights
    (out, 3, ky, kx, in).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.has_bias = padding, bias is not None
        points, kernels = _inputs_to_points(x), _weights_to_points(weight)
        products = points.new_empty(*points.shape[:-1], len(weight))
        for i in range(_POINTS):
            constant = bias if i == _BIAS_POINT else None
            product = nn.functional.conv2d(_images(points[i]), _kernel(kernels[i]), constant, padding=padding)
            _images(products[i]).copy_(product)
        return _points_to_outputs(products, x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        """The transforms of `forward`, transposed, around the gradients of its 2D convolutions."""
        x, weight = ctx.saved_tensors
        points, kernels = _inputs_to_points(x), _weights_to_points(weight)
        products = _outputs_to_points(gradient.contiguous())
        for_bias = None
        for i in range(_POINTS):
            wanted = (True, True, ctx.has_bias and i == _BIAS_POINT)
            for_images, for_kernel, constant = torch.ops.aten.convolution_backward(
                _images(products[i]), _images(points[i]), _kernel(kernels[i]), bias_sizes=[len(weight)], stride=[1, 1],
                padding=ctx.padding, dilation=[1, 1], transposed=False, output_padding=[0, 0], groups=1,
                output_mask=wanted,
            )  # fmt: skip
            # What is needed no more makes room for its gradient.
            _images(points[i]).copy_(for_images)
            _kernel(kernels[i]).copy_(for_kernel)
            for_bias = constant if wanted[2] else for_bias
        return _points_to_inputs(points, x.shape[1]), _points_to_weights(kernels), for_bias, None


class _Tile(NamedTuple):
    """What lies inside the image of one tile: its inputs and outputs on the axis, and their places in the tile."""

    inputs: slice
    input_places: slice
    outputs: slice
    output_places: slice


def _tiles(extent: int) -> list[_Tile]:
    """The tiles that cover an axis of `extent` elements, padded by one zero at either end."""
    tiles = []
    for start in range(0, extent, _TILE):
        low, high = max(start - 1, 0), min(start - 1 + _POINTS, extent)
        end = min(start + _TILE, extent)
        places = slice(low - (start - 1), high - (start - 1))
        tiles.append(_Tile(slice(low, high), places, slice(start, end), slice(0, end - start)))
    return tiles


def _inputs_to_points(x: Tensor) -> Tensor:
    """(batch, z, y, x, channels) -> (point, batch, tile, y, x, channels)."""
    tiles = _tiles(x.shape[1])
    points = x.new_empty(_POINTS, x.shape[0], len(tiles), *x.shape[2:])
    matrix = x.new_tensor(_INPUTS_TO_POINTS)
    for tile, target in zip(tiles, _rows(points), strict=True):
        source = x[:, tile.inputs].flatten(2)
        torch.bmm(_repeat(matrix[:, tile.input_places], len(x)), source, out=target)
    return points


def _points_to_inputs(points: Tensor, extent: int) -> Tensor:
    """The transpose of `_inputs_to_points`: what overlapping tiles say of one input adds up."""
    _, batch, n, *plane = points.shape
    x = points.new_empty(batch, extent, *plane)
    matrix = x.new_tensor(_INPUTS_TO_POINTS).T
    for tile, source in zip(_tiles(extent), _rows(points), strict=True):
        inner = matrix[1 : 1 + tile.outputs.stop - tile.outputs.start]
        torch.bmm(_repeat(inner, batch), source, out=x[:, tile.outputs].flatten(2))
    # The first and the last input of a tile belong to its neighbours, and touch one point each.
    x[:, _TILE - 1 :: _TILE][:, : n - 1].add_(points[0, :, 1:], alpha=_INPUTS_TO_POINTS[0][0])
    x[:, _TILE::_TILE].add_(points[-1, :, :-1], alpha=_INPUTS_TO_POINTS[-1][-1])
    return x


def _points_to_outputs(points: Tensor, extent: int) -> Tensor:
    """(point, batch, tile, y, x, channels) -> (batch, z, y, x, channels)."""
    _, batch, _, *plane = points.shape
    y = points.new_empty(batch, extent, *plane)
    matrix = y.new_tensor(_POINTS_TO_OUTPUTS)
    for tile, source in zip(_tiles(extent), _rows(points), strict=True):
        torch.bmm(_repeat(matrix[tile.output_places], batch), source, out=y[:, tile.outputs].flatten(2))
    return y


def _outputs_to_points(y: Tensor) -> Tensor:
    """The transpose of `_points_to_outputs`."""
    tiles = _tiles(y.shape[1])
    points = y.new_empty(_POINTS, y.shape[0], len(tiles), *y.shape[2:])
    matrix = y.new_tensor(_POINTS_TO_OUTPUTS).T
    for tile, target in zip(tiles, _rows(points), strict=True):
        source = y[:, tile.outputs].flatten(2)
        torch.bmm(_repeat(matrix[:, tile.output_places], len(y)), source, out=target)
    return points


def _weights_to_points(weight: Tensor) -> Tensor:
    """(out, 3, ky, kx, in) -> (point, out, ky, kx, in)."""
    outputs, _, *kernel = weight.shape
    points = weight.new_empty(_POINTS, outputs, *kernel)
    matrix = _repeat(weight.new_tensor(_WEIGHTS_TO_POINTS), outputs)
    torch.bmm(matrix, weight.flatten(2), out=points.flatten(2).transpose(0, 1))
    return points


def _points_to_weights(points: Tensor) -> Tensor:
    """The transpose of `_weights_to_points`."""
    _, outputs, *kernel = points.shape
    matrix = _repeat(points.new_tensor(_WEIGHTS_TO_POINTS).T, outputs)
    return torch.bmm(matrix, points.flatten(2).transpose(0, 1)).view(outputs, TAPS, *kernel)


def _rows(points: Tensor) -> tuple[Tensor, ...]:
    """One view (batch, point, elements of a plane) per tile."""
    return points.flatten(3).permute(2, 1, 0, 3).unbind()


def _images(point: Tensor) -> Tensor:
    """(batch, tile, y, x, channels) -> (batch times tile, channels, y, x), a view in channels-last order."""
    return point.flatten(0, 1).movedim(-1, 1)


def _kernel(point: Tensor) -> Tensor:
    """(out, ky, kx, in) -> (out, in, ky, kx), a view in channels-last order."""
    return point.movedim(-1, 1)


def _repeat(matrix: Tensor, batch: int) -> Tensor:
    return matrix.expand(batch, *matrix.shape)


def _channels_last(*tensors: Tensor) -> list[Tensor]:
    return [tensor.movedim(1, -1).contiguous() for tensor in tensors]
