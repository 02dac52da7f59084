"""The network in ordinary torch. The names of its attributes are the names of the weights: keep them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import gcd

import torch
from torch import nn

Size = Sequence[int]

# Layers by the number of spatial axes: a 2d configuration has strides of two numbers.
CONV: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
UPSAMPLING: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class ConvBlock(nn.Sequential):
    """Two times convolution, group normalisation and GELU; the first convolution has the stride."""

    def __init__(self, channels: int, features: int, kernel: Size, stride: Size) -> None:
        """Make layers that map (B, channels, *size) to (B, features, *size / stride)."""
        layers: list[nn.Module] = []
        for inputs, step in ((channels, stride), (features, [1] * len(stride))):
            padding = tuple(k // 2 for k in kernel)
            layers.append(CONV[len(stride)](inputs, features, tuple(kernel), tuple(step), padding))
            layers += [nn.GroupNorm(gcd(features, 8), features), nn.GELU()]
        super().__init__(*layers)


class AddingUNet(nn.Module):
    """An encoder, and a decoder that adds the encoder's feature maps."""

    def __init__(
        self, channels: int, outputs: int, features: Sequence[int], kernels: Sequence[Size], strides: Sequence[Size]
    ) -> None:
        """Take the image's channels, the logits' outputs, and one feature count, kernel and stride per stage."""
        super().__init__()
        stages = zip(pairwise((channels, *features)), kernels, strides, strict=True)
        self.encoder = nn.ModuleList(ConvBlock(i, o, kernel, stride) for (i, o), kernel, stride in stages)
        # From coarse to fine, the order in which they are used.
        steps = list(zip(pairwise(features), kernels[:-1], strides[1:], strict=True))[::-1]
        self.upsampling = nn.ModuleList(
            UPSAMPLING[len(stride)](coarse, fine, tuple(stride), tuple(stride)) for (fine, coarse), _, stride in steps
        )
        self.decoder = nn.ModuleList(ConvBlock(fine, fine, kernel, [1] * len(kernel)) for (fine, _), kernel, _ in steps)
        self.heads = nn.ModuleList(CONV[len(kernel)](fine, outputs, 1) for (fine, _), kernel, _ in steps)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor] | torch.Tensor:
        """Return the logits of patches (B, channels, *patch); see `nnplug.contracts.Architecture.build`.

        Returns:
            In training mode the logits of every decoder stage, from fine to coarse, for deep supervision; in evaluation
                mode those of the full resolution alone, (B, outputs, *patch).
        """
        x, skips, logits = image, [], []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        for up, stage, head, skip in zip(self.upsampling, self.decoder, self.heads, skips[-2::-1], strict=True):
            x = stage(up(x) + skip)
            logits.append(head(x))
        return logits[::-1] if self.training else logits[-1]
