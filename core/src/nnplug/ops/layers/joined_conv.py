"""Convolutions of images that are joined along their channels, as in the decoder of a U-Net.

Without an accelerator the images are concatenated first. An accelerator that replaces these layers can read the images
where they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class JoinedConv3d(nn.Conv3d):
    """nn.Conv3d of images that are joined along their channels; the same parameters under the same names."""

    def forward(self, images: list[Tensor]) -> Tensor:  # type: ignore[override]
        """Return the convolution (B, out, z, y, x) of images (B, C1, z, y, x), (B, C2, z, y, x), ..

        `in_channels` is the sum of their channels. The call empties the list, so that the memory of images without
        another reference is free while the convolution computes.
        """
        return super().forward(join(images))


class JoinedConv2d(nn.Conv2d):
    """nn.Conv2d of images that are joined along their channels; the same parameters under the same names."""

    def forward(self, images: list[Tensor]) -> Tensor:  # type: ignore[override]
        """Return the convolution (B, out, y, x) of images (B, C1, y, x), (B, C2, y, x), ..; see `JoinedConv3d`."""
        return super().forward(join(images))


def join(images: list[Tensor]) -> Tensor:
    """Return images (B, C, *size) as one, joined along their channels, and empty the list."""
    joined = torch.cat(images, 1)
    images.clear()
    return joined
