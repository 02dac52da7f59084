"""The layers of a network that PyTorch computes slowly on a CPU, computed faster; equal to rounding.

Found with PyTorch 2.13 (oneDNN 3.12) on a CPU without AVX512; bench/rows/step.py measures the whole step:

* Convolutions of kernel size 3 do fewer multiplications (`winograd`).
* Convolutions of kernel size 1 with few outputs miss oneDNN; transposed convolutions without overlap go through it
  slowly, backward above all. Both are matrix products.
* Instance norm copies channels-last images, and group norm's gradient is slow. Batch norm of one sample is neither.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nnplug_nnunet.networks import winograd
from nnplug_nnunet.networks.norm import InPlaceNorm2d, InPlaceNorm3d
from nnplug_nnunet.networks.tiling import LARGEST_TILE, PRECISE_TILE, TAPS, Tiling
from nnplug_nnunet.networks.unet import Decoder
from nnplug_nnunet.networks.unpooling import Unpooling2d, Unpooling3d, UnpoolingByRows2d, UnpoolingByRows3d

Network = TypeVar("Network", bound=nn.Module)


def accelerate(network: Network, *, precise: bool = False) -> Network:
    """Make `network` faster on a CPU, in place, and return it.

    Layers change class where a faster one fits and parameters go to channels-last order. Parameters, their names and
    the state dict stay, so do hooks. Gradients of gradients are not available afterwards.

    Args:
        network: of any layers.
        precise: for predicting, without gradients: Winograd's more precise tiles, and layers that need less memory.
            Norms write into their input, and their statistics are not the fused ones, which lose digits that labels
            near a border depend on.
    """
    for module in network.modules():
        replacement = (_frugal(module) if precise else None) or _faster(module)
        if replacement is not None:
            module.__class__ = replacement
        if isinstance(module, WinogradConv2d | WinogradConv3d):
            module.largest_tile = PRECISE_TILE if precise else LARGEST_TILE
    for parameter in network.parameters():
        if parameter.dim() in (4, 5):
            # Not `contiguous`, which keeps the strides of a kernel with one input channel: by them, PyTorch
            # chooses the order of the output.
            order = _channels_last(parameter.dim())
            parameter.data = torch.empty_like(parameter.data, memory_format=order).copy_(parameter.data)
    return network


class WinogradConv3d(nn.Conv3d):
    """nn.Conv3d with kernel size 3, stride 1 and padding 1 along the first axis."""

    largest_tile: int

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 (nn.Conv3d's)
        tiling = Tiling.best(input.shape[2], self.largest_tile)
        if tiling is None:
            direct: Tensor = super()._conv_forward(input, weight, bias)
            return direct
        return winograd.convolve(input, weight, bias, cast(tuple[int, ...], self.padding), tiling)


class WinogradConv2d(nn.Conv2d):
    """nn.Conv2d with kernel size 3, stride 1 and padding 1 along the first axis."""

    largest_tile: int

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 (nn.Conv2d's)
        tiling = Tiling.best(input.shape[2], self.largest_tile)
        if tiling is None:
            direct: Tensor = super()._conv_forward(input, weight, bias)
            return direct
        return winograd.convolve(input, weight, bias, cast(tuple[int, ...], self.padding), tiling)


class PointwiseConv3d(nn.Conv3d):
    """nn.Conv3d with kernel size 1 and stride 1."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 (nn.Conv3d's)
        return _pointwise(input, weight, bias)


class PointwiseConv2d(nn.Conv2d):
    """nn.Conv2d with kernel size 1 and stride 1."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 (nn.Conv2d's)
        return _pointwise(input, weight, bias)


class FusedSkipDecoder(Decoder):
    """A decoder that reads upsampled map and skip where they are, without gradients."""

    def _convolve_joined(self, conv: nn.Module, stage: int, maps: list[Tensor]) -> Tensor:
        if not isinstance(conv, WinogradConv2d | WinogradConv3d):
            return super()._convolve_joined(conv, stage, maps)
        tiling = Tiling.best(maps[-2].shape[2], conv.largest_tile)
        if tiling is None:
            return super()._convolve_joined(conv, stage, maps)
        images = (self.transpconvs[stage](maps.pop()), maps.pop())
        return winograd.convolve_joined(images, conv.weight, conv.bias, cast(tuple[int, ...], conv.padding), tiling)


class PerSampleNorm3d(nn.InstanceNorm3d):
    """nn.InstanceNorm3d with learned scale and shift, without running statistics."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm3d's)
        x = input.contiguous(memory_format=_channels_last(input.dim()))
        y: Tensor = _PerSampleNorm.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        return y


class PerSampleNorm2d(nn.InstanceNorm2d):
    """nn.InstanceNorm2d with learned scale and shift, without running statistics."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.InstanceNorm2d's)
        x = input.contiguous(memory_format=_channels_last(input.dim()))
        y: Tensor = _PerSampleNorm.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        return y


def _faster(module: nn.Module) -> type[nn.Module] | None:
    """The class that computes what `module` does, faster, if there is one. Subclasses are left alone."""
    if isinstance(module, nn.Conv2d | nn.Conv3d) and type(module) in (nn.Conv2d, nn.Conv3d):
        return _faster_convolution(module)
    if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d) and _is_unpooling(module):
        return Unpooling3d if isinstance(module, nn.ConvTranspose3d) else Unpooling2d
    if isinstance(module, nn.InstanceNorm2d | nn.InstanceNorm3d) and _is_affine(module):
        return PerSampleNorm3d if isinstance(module, nn.InstanceNorm3d) else PerSampleNorm2d
    return None


def _faster_convolution(module: nn.Conv2d | nn.Conv3d) -> type[nn.Module] | None:
    plain = {*module.stride, *module.dilation, module.groups} == {1} and module.padding_mode == "zeros"
    keeps_size = tuple(module.padding) == tuple((k - 1) / 2 for k in module.kernel_size)
    if not (plain and keeps_size):
        return None
    solid = isinstance(module, nn.Conv3d)
    if set(module.kernel_size) == {1}:
        return PointwiseConv3d if solid else PointwiseConv2d
    if module.kernel_size[0] == TAPS and module.in_channels > 1:
        return WinogradConv3d if solid else WinogradConv2d
    return None


def _is_unpooling(module: nn.ConvTranspose2d | nn.ConvTranspose3d) -> bool:
    kind = type(module) in (nn.ConvTranspose2d, nn.ConvTranspose3d) and module.kernel_size == module.stride
    plain = {*module.padding, *module.output_padding} == {0} and {*module.dilation, module.groups} == {1}
    return kind and plain


def _frugal(module: nn.Module) -> type[nn.Module] | None:
    """The class that computes what `module` does in less memory, without gradients, if there is one."""
    if type(module) is Decoder:
        return FusedSkipDecoder
    if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d) and _is_unpooling(module):
        return UnpoolingByRows3d if isinstance(module, nn.ConvTranspose3d) else UnpoolingByRows2d
    if isinstance(module, nn.InstanceNorm2d | nn.InstanceNorm3d) and _is_affine(module):
        return InPlaceNorm3d if isinstance(module, nn.InstanceNorm3d) else InPlaceNorm2d
    return None


def _is_affine(module: nn.InstanceNorm2d | nn.InstanceNorm3d) -> bool:
    kind = type(module) in (nn.InstanceNorm2d, nn.InstanceNorm3d)
    return kind and module.affine and not module.track_running_stats


def _pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution of x (batch, in, *size) by weight (out, in, 1, ...)."""
    y: Tensor = nn.functional.linear(x.movedim(1, -1), weight.flatten(1), bias)
    return y.movedim(-1, 1)


class _PerSampleNorm(torch.autograd.Function):
    """Batch norm's fused kernels, one sample at a time: its statistics are then those of instance norm."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        """Arguments: x (batch, channels, ...), weight and bias (channels)."""
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
        gradient = gradient.contiguous(memory_format=_channels_last(x.dim()))
        for i, (mean, inverse_deviation) in enumerate(statistics):
            for_x[i : i + 1], scale, shift = torch.ops.aten.native_batch_norm_backward(
                gradient[i : i + 1], x[i : i + 1], weight, None, None, mean, inverse_deviation,
                train=True, eps=ctx.epsilon, output_mask=[True, True, True],
            )  # fmt: skip
            for_weight += scale
            for_bias += shift
        return for_x, for_weight, for_bias, None


def _channels_last(dimensions: int) -> torch.memory_format:
    """For tensors with axes batch, channels and 2 or 3 of space."""
    return torch.channels_last if dimensions == 4 else torch.channels_last_3d
