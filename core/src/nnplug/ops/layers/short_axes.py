"""Convolutions of images that are shorter than the kernel, trained on a CPU in half precision.

There oneDNN (3.12, in PyTorch 2.13) computes the gradient of a kernel in bfloat16 from memory that nothing has written,
if an image (B, C, z, y, x) has fewer slices than the kernel, but more than one; and of (B, C, y, x) with one column, if
the kernel strides. The gradient is then any number. Networks have such images at their bottleneck if patches are small
or thin.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from nnplug.ops.layers.joined_conv import JoinedConv2d, JoinedConv3d, join
from nnplug.ops.layers.replacement import as_kind, with_layers


def with_exact_gradients(network: nn.Module) -> nn.Module:
    """Return `network` with convolutions that compute in float32 where an axis of the image is shorter than the kernel.

    Everywhere else they compute in the precision of `torch.autocast`, as before. PyTorch's own convolutions and joined
    ones are replaced, no subclass of others; weights and their names stay.

    Args:
        network: is changed, or is itself a convolution.
    """
    made: dict[nn.Module, nn.Module] = {
        layer: as_kind(_KINDS[type(layer)], layer)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and type(layer) in _KINDS and max(layer.kernel_size) > 1
    }
    return with_layers(network, made) if made else network


class _ExactWhenShort(nn.Module):
    """The part of a convolution that leaves half precision for short images."""

    kernel_size: tuple[int, ...]

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution, in float32 where an axis of the image (B, C, *size) is shorter than the kernel."""
        short = any(size < taps for size, taps in zip(x.shape[2:], self.kernel_size, strict=True))
        with torch.autocast(x.device.type, enabled=False) if short else nullcontext():
            result: Tensor = super().forward(x.float() if short else x)
        return result


class _Conv2d(_ExactWhenShort, nn.Conv2d):
    """nn.Conv2d with exact gradients."""


class _Conv3d(_ExactWhenShort, nn.Conv3d):
    """nn.Conv3d with exact gradients."""


class _JoinedConv2d(_Conv2d):
    """The same for images that are joined along their channels."""

    def forward(self, images: list[Tensor]) -> Tensor:  # type: ignore[override]
        """Return the convolution of the joined images; see `JoinedConv2d`."""
        return super().forward(join(images))


class _JoinedConv3d(_Conv3d):
    """The same for images that are joined along their channels."""

    def forward(self, images: list[Tensor]) -> Tensor:  # type: ignore[override]
        """Return the convolution of the joined images; see `JoinedConv3d`."""
        return super().forward(join(images))


_KINDS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: _Conv2d,
    nn.Conv3d: _Conv3d,
    JoinedConv2d: _JoinedConv2d,
    JoinedConv3d: _JoinedConv3d,
}
