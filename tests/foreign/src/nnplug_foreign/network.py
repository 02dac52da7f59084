"""The network of `foreign-dilated`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from nnplug_foreign.architecture import DilatedStack

CONVOLUTION: dict[int, type[nn.Conv2d | nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}


class Block(nn.Module):
    """A dilated convolution, a norm and a rectifier, added to the input."""

    def __init__(self, dimensions: int, features: int, dilation: int) -> None:
        """Build for inputs (B, features, *patch)."""
        super().__init__()
        self.convolution = CONVOLUTION[dimensions](features, features, 3, padding=dilation, dilation=dilation)
        self.norm = nn.GroupNorm(1, features)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (B, features, *patch)."""
        return image + torch.relu(self.norm(self.convolution(image)))


class DilatedNetwork(nn.Module):
    """A stem, dilated blocks, and a head of kernel size 1."""

    def __init__(self, options: DilatedStack, channels: int, outputs: int) -> None:
        """Build for inputs (B, channels, *patch) and logits (B, outputs, *patch)."""
        super().__init__()
        convolution = CONVOLUTION[options.dimensions]
        blocks = [Block(options.dimensions, options.features, dilation) for dilation in options.dilations]
        self.body = nn.Sequential(convolution(channels, options.features, 3, padding=1), *blocks)
        self.head = convolution(options.features, outputs, 1)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor] | torch.Tensor:
        """Return a list of the logits in training mode, the logits in evaluation mode."""
        logits: torch.Tensor = self.head(self.body(image))
        return [logits] if self.training else logits
