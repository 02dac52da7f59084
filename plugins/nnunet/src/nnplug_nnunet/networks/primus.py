"""Primus (Wald et al. 2025, arXiv 2503.01835): tokens of 8 x 8 x 8 voxels, a transformer, and a small decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnplug_nnunet.networks.transformer import Transformer
from nnplug_nnunet.primus_extent import TOKEN, Extent, decoder_channels

_SLOPE = 1e-2  # that the initialisation of convolutions assumes


class PrimusNetwork(nn.Module):
    """The network, with nnU-Net's parameter names. It has one resolution: logits of the whole patch."""

    mask_token: Tensor

    def __init__(
        self, extent: Extent, patch_size: Sequence[int], *, channels: int, outputs: int, drop_path: float
    ) -> None:
        """Make fresh weights.

        Args:
            extent: the size of the transformer.
            patch_size: (z, y, x), multiples of 8.
            channels: channels of the image.
            outputs: channels of the logits.
            drop_path: see `Transformer`.
        """
        super().__init__()
        self.down_projection = Tokens(channels, extent.width)
        self.up_projection = Upsampling(decoder_channels(extent.width, outputs))
        self.eva = Transformer(extent, [size // TOKEN for size in patch_size], drop_path)
        # for tokens that are left out, which neither training nor prediction does; nnU-Net's checkpoints hold it
        self.register_buffer("mask_token", torch.zeros(1, 1, extent.width))

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Return the logits (B, outputs, *patch) of an image (B, channels, *patch), in training mode in a list."""
        cells = self.down_projection(image)
        tokens = self.eva(cells.flatten(2).transpose(1, 2))
        logits: Tensor = self.up_projection(tokens.transpose(1, 2).reshape(cells.shape))
        return [logits] if self.training else logits


class Tokens(nn.Module):
    """A linear function of the voxels of each token."""

    def __init__(self, channels: int, width: int) -> None:
        """Make fresh weights."""
        super().__init__()
        self.proj = nn.Conv3d(channels, width, TOKEN, stride=TOKEN)
        _draw_weights(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return (B, width, *grid)."""
        cells: Tensor = self.proj(image)
        return cells


class Upsampling(nn.Module):
    """Transposed convolutions from tokens to voxels."""

    def __init__(self, channels: Sequence[int]) -> None:
        """Make fresh weights; `channels` are those of `decoder_channels`."""
        super().__init__()
        before, last = channels[:-1], len(channels) - 2
        stages: list[nn.Module] = []
        for stage, (given, made) in enumerate(zip(before, channels[1:], strict=True)):
            doubled = nn.ConvTranspose3d(given, made, 2, stride=2)
            stages.append(doubled if stage == last else nn.Sequential(doubled, ChannelNorm(made), nn.GELU()))
        self.decode = nn.Sequential(*stages)
        _draw_weights(self)

    def forward(self, cells: Tensor) -> Tensor:
        """Return logits (B, outputs, *patch) of (B, width, *grid)."""
        logits: Tensor = self.decode(cells)
        return logits


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each voxel."""

    def __init__(self, channels: int) -> None:
        """Make weights of one and biases of zero."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Return normed features (B, C, *size)."""
        last = features.movedim(1, -1)
        return functional.layer_norm(last, self.weight.shape, self.weight, self.bias, 1e-6).movedim(-1, 1)


def _draw_weights(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, (nn.Conv3d, nn.ConvTranspose3d)):
            nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
