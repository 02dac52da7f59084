"""The module of the flat network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class FlatNetwork(nn.Module):
    """Convolutions that keep the size."""

    def __init__(self, channels: int, outputs: int, features: int, kernels: Sequence[Sequence[int]]) -> None:
        super().__init__()
        convolution = nn.Conv2d if len(kernels[0]) == 2 else nn.Conv3d
        layers: list[nn.Module] = []
        for kernel in kernels:
            layers += [convolution(channels, features, tuple(kernel), padding="same"), nn.GroupNorm(1, features)]
            layers += [nn.LeakyReLU()]
            channels = features
        self.layers = nn.Sequential(*layers)
        self.head = convolution(features, outputs, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Return logits (B, outputs, *size), in training mode in a list."""
        logits = self.head(self.layers(image))
        return [logits] if self.training else logits
