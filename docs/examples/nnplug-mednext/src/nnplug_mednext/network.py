"""The network in torch. The names of its attributes are the names of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from nnplug_mednext.architecture import MedNeXt

Size = Sequence[int]

CONV: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
UPSAMPLING: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def conv(channels: int, features: int, kernel: Size, stride: Size | None = None, groups: int = 1) -> nn.Module:
    """Return a convolution that keeps the size at stride 1."""
    padding = tuple(k // 2 for k in kernel)
    return CONV[len(kernel)](
        channels, features, tuple(kernel), tuple(stride or [1] * len(kernel)), padding, groups=groups
    )


class Block(nn.Module):
    """Depthwise convolution, normalisation per channel, expansion, GELU and compression, added to the input."""

    def __init__(self, features: int, kernel: Size, expansion: int) -> None:
        """Make layers that map (B, features, *size) to the same shape."""
        super().__init__()
        ones = [1] * len(kernel)
        self.depthwise = conv(features, features, kernel, groups=features)
        self.norm = nn.GroupNorm(features, features)
        self.expand = conv(features, expansion * features, ones)
        self.compress = conv(expansion * features, features, ones)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, features, *size); see the class."""
        inside = nn.functional.gelu(self.expand(self.norm(self.depthwise(x))))
        y: torch.Tensor = x + self.compress(inside)
        return y


class Network(nn.Module):
    """An encoder of blocks, and a decoder of blocks that adds the encoder's feature maps."""

    def __init__(self, options: MedNeXt, channels: int, outputs: int) -> None:
        """Take the image's channels and the logits' outputs."""
        super().__init__()
        features, kernels, strides = options.features_per_stage, options.kernel_sizes, options.strides
        ones = [1] * len(kernels[0])

        def blocks(stage: int) -> nn.Sequential:
            block = (features[stage], kernels[stage], options.expansion)
            return nn.Sequential(*(Block(*block) for _ in range(options.blocks_per_stage[stage])))

        steps = [(fine, coarse, stride) for (fine, coarse), stride in zip(pairwise(features), strides[1:], strict=True)]
        self.stem = conv(channels, features[0], ones)
        self.encoder = nn.ModuleList(blocks(stage) for stage in range(len(features)))
        self.down = nn.ModuleList(conv(fine, coarse, [2 * (s // 2) + 1 for s in s_], s_) for fine, coarse, s_ in steps)
        # From coarse to fine, the order in which they are used.
        self.up = nn.ModuleList(
            UPSAMPLING[len(stride)](coarse, fine, tuple(stride), tuple(stride)) for fine, coarse, stride in steps[::-1]
        )
        self.decoder = nn.ModuleList(blocks(stage) for stage in range(len(steps))[::-1])
        self.heads = nn.ModuleList(conv(fine, outputs, ones) for fine, _, _ in steps[::-1])

    def forward(self, image: torch.Tensor) -> list[torch.Tensor] | torch.Tensor:
        """Return the logits of patches (B, channels, *patch); see `nnplug.contracts.Architecture.build`."""
        x = self.encoder[0](self.stem(image))
        skips, logits = [], []
        for down, stage in zip(self.down, self.encoder[1:], strict=True):
            skips.append(x)
            x = stage(down(x))
        for up, stage, head, skip in zip(self.up, self.decoder, self.heads, skips[::-1], strict=True):
            x = stage(up(x) + skip)
            logits.append(head(x))
        return logits[::-1] if self.training else logits[-1]
