"""Convolution by Winograd's minimal filtering along one axis, for CPUs.

A convolution on a CPU runs at the speed of its arithmetic units, so only fewer multiplications make it faster. For m
outputs of a kernel of size 3, F(m, 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016)
needs m + 2 multiplications, a direct convolution 3 m. It is used along the first spatial axis only. There it loses
little precision (relative errors of 1e-5 at most instead of 6e-7 in float32), and with channels last its transforms act
on contiguous planes, so they are matrix products at the speed of memory. PyTorch's 2D convolution computes the other
axes; along a second axis, the transforms would cost as much as they save.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nnplug_cpu.tiling import BIAS_POINT, Tiling


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: Sequence[int], tiling: Tiling) -> Tensor:
    """Convolve as nn.functional.conv2d or conv3d at stride 1; the first axis has kernel size 3 and padding 1.

    Args:
        x: (batch, in, y, x) or (batch, in, z, y, x), of any memory format.
        weight: (out, in, 3, kernel of the other axes).
        bias: (out).
        padding: padding of each spatial axis; the first is 1.
        tiling: tiling of the first spatial axis.

    Returns:
        (batch, out, ...) in channels-last order. Its gradients cannot be differentiated again.
    """
    if x.dim() == 4:
        solid = (padding[0], 0, padding[1])
        return convolve(x.unsqueeze(3), weight.unsqueeze(3), bias, solid, tiling).squeeze(3)
    y: Tensor = _Filter.apply(*_channels_last(x, weight), bias, padding[1:], tiling)  # type: ignore[no-untyped-call]
    return y.movedim(-1, 1)


def convolve_joined(
    images: Sequence[Tensor], weight: Tensor, bias: Tensor | None, padding: Sequence[int], tiling: Tiling
) -> Tensor:
    """Convolve images joined along their channels, without joining them in memory and without gradients.

    Args:
        images: (batch, channels, y, x) or (batch, channels, z, y, x) each.
        weight: (out, sum of channels, 3, kernel of the other axes).
        bias: (out).
        padding: padding of each spatial axis; the first is 1.
        tiling: tiling of the first spatial axis.

    Returns:
        (batch, out, ...) in channels-last order.
    """
    if weight.dim() == 4:
        solid = (padding[0], 0, padding[1])
        return convolve_joined([x.unsqueeze(3) for x in images], weight.unsqueeze(3), bias, solid, tiling).squeeze(3)
    *joined, kernel = _channels_last(*images, weight)
    return _filter(joined, kernel, bias, padding[1:], tiling).movedim(-1, 1)


class _Filter(torch.autograd.Function):
    """The first spatial axis filtered by products of tiles, the others by 2D convolutions of all tiles at once.

    All tensors are contiguous with their channels last: images (batch, z, y, x, channels), weights (out, 3, ky, kx,
    in).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int], tiling: Tiling
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.has_bias, ctx.tiling = padding, bias is not None, tiling
        return _filter([x], weight, bias, padding, tiling)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None, None]:
        """Apply the transposed transforms of `forward` around the gradients of its 2D convolutions."""
        (x, weight), tiling = ctx.saved_tensors, ctx.tiling
        points, kernels = tiling.inputs_to_points(x.flatten(2)), tiling.weights_to_points(weight.flatten(2))
        products = tiling.outputs_to_points(gradient.contiguous().flatten(2))
        for_bias = None
        for i in range(tiling.points):
            wanted = (True, True, ctx.has_bias and i == BIAS_POINT)
            image, kernel = _image(points[i], x.shape), _kernel(kernels[i], weight.shape)
            for_image, for_kernel, constant = torch.ops.aten.convolution_backward(
                _image(products[i], gradient.shape), image, kernel, bias_sizes=[len(weight)], stride=[1, 1],
                padding=ctx.padding, dilation=[1, 1], transposed=False, output_padding=[0, 0], groups=1,
                output_mask=wanted,
            )  # fmt: skip
            # The gradients overwrite arrays that are no longer needed.
            image.copy_(for_image)
            kernel.copy_(for_kernel)
            for_bias = constant if wanted[2] else for_bias
        for_x = tiling.points_to_inputs(points).view_as(x)
        return for_x, tiling.points_to_weights(kernels).view_as(weight), for_bias, None, None


def _filter(
    images: Sequence[Tensor], weight: Tensor, bias: Tensor | None, padding: Sequence[int], tiling: Tiling
) -> Tensor:
    """Filter some tiles at a time, with the channels of all images joined."""
    kernels = tiling.weights_to_points(weight.flatten(2))
    y = images[0].new_empty(*images[0].shape[:-1], len(weight))
    for part in tiling.parts(y[:, 0, ..., 0].numel() * max(weight.shape[-1], len(weight))):
        points = [tiling.inputs_to_points(x.flatten(2), part) for x in images]
        products = y.new_empty(*points[0].shape[:3], *y.shape[2:])
        for i in range(tiling.points):
            constant = bias if i == BIAS_POINT else None
            image = _join([_image(own[i], x.shape) for own, x in zip(points, images, strict=True)])
            product = nn.functional.conv2d(image, _kernel(kernels[i], weight.shape), constant, padding=padding)
            _image(products[i], y.shape).copy_(product)
        tiling.points_to_outputs(products.flatten(3), part, out=y.flatten(2))
    return y


def _join(images: Sequence[Tensor]) -> Tensor:
    return images[0] if len(images) == 1 else torch.cat(list(images), 1)


def _image(point: Tensor, shape: Sequence[int]) -> Tensor:
    """View (batch, tile, plane) of images with this shape as (batch times tile, channels, y, x), channels last."""
    return point.view(-1, *shape[2:]).movedim(-1, 1)


def _kernel(point: Tensor, shape: Sequence[int]) -> Tensor:
    """View (out, rest) of weights with this shape as (out, in, ky, kx), channels last."""
    return point.view(-1, *shape[2:]).movedim(-1, 1)


def _channels_last(*tensors: Tensor) -> list[Tensor]:
    return [tensor.movedim(1, -1).contiguous() for tensor in tensors]
