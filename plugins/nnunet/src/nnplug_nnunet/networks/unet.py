"""U-Nets: a plain or residual encoder, and one decoder for both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from nnplug_nnunet.networks.blocks import NEGATIVE_SLOPE, ConvStack, Layers, ResidualBlock, ResidualStack
from nnplug_nnunet.networks.names import drop_aliases


class PlainEncoder(nn.Module):
    """Stages of convolution blocks; each stage begins with its stride."""

    def __init__(
        self,
        layers: Layers,
        channels: int,
        features: Sequence[int],
        kernels: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        n_conv: Sequence[int],
    ) -> None:
        """Take one entry per stage, from fine to coarse."""
        super().__init__()
        io = pairwise((channels, *features))
        self.stages = nn.ModuleList(
            nn.Sequential(ConvStack(layers, n, layers.conv(i, o, kernel, stride), o, kernel))
            for (i, o), kernel, stride, n in zip(io, kernels, strides, n_conv, strict=True)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (B, channels, *patch) to the output of each stage, from fine to coarse."""
        return _each(self.stages, x)


class ResidualEncoder(nn.Module):
    """A stem convolution, then stages of residual blocks."""

    def __init__(
        self,
        layers: Layers,
        channels: int,
        features: Sequence[int],
        kernels: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        n_blocks: Sequence[int],
    ) -> None:
        """Take one entry per stage, from fine to coarse."""
        super().__init__()
        stem = layers.conv(channels, features[0], kernels[0], layers.ones)
        self.stem = ConvStack(layers, 1, stem, features[0], kernels[0])
        io = pairwise((features[0], *features))
        self.stages = nn.ModuleList(
            ResidualStack(layers, n, i, o, kernel, stride)
            for (i, o), kernel, stride, n in zip(io, kernels, strides, n_blocks, strict=True)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (B, channels, *patch) to the output of each stage, from fine to coarse."""
        return _each(self.stages, self.stem(x))


class Decoder(nn.Module):
    """Upsampling stage by stage, each joined with its skip; it returns logits at every size but the coarsest."""

    def __init__(
        self,
        layers: Layers,
        outputs: int,
        features: Sequence[int],
        kernels: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        n_conv: Sequence[int],
    ) -> None:
        """Take the encoder's features, kernels and strides from fine to coarse, and `n_conv` from coarse to fine."""
        super().__init__()
        down = list(zip(pairwise(features), kernels[:-1], strides[1:], strict=True))[::-1]
        self.transpconvs = nn.ModuleList(layers.upsampling(coarse, fine, s) for (fine, coarse), _, s in down)
        self.stages = nn.ModuleList(
            ConvStack(layers, n, layers.joined_conv(2 * fine, fine, kernel), fine, kernel)
            for ((fine, _), kernel, _), n in zip(down, n_conv, strict=True)
        )
        self.seg_layers = nn.ModuleList(layers.pointwise(fine, outputs, bias=True) for (fine, _), _, _ in down)

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor] | torch.Tensor:
        """Return the logits as `UNet.forward` does.

        Args:
            maps: outputs (B, features, *size) of the encoder, from fine to coarse; the list is shorter or empty
                afterwards.
        """
        if not self.training:
            logits: torch.Tensor = self.head(self.features(maps))
            return logits
        levels = []
        for stage, head in enumerate(self.seg_layers):
            self._decode_stage(stage, maps)
            levels.append(head(maps[-1]))
        return levels[::-1]

    def features(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Return the input (B, features, *patch) of the last head; the list `maps` is empty afterwards."""
        for stage in range(len(self.stages)):
            self._decode_stage(stage, maps)
        return maps.pop()

    @property
    def head(self) -> nn.Module:
        """The layer that gives logits at full resolution."""
        return self.seg_layers[-1]

    def _decode_stage(self, stage: int, maps: list[torch.Tensor]) -> None:
        """Replace the two coarsest maps by one of the finer size, and free each after its use."""
        joined = [self.transpconvs[stage](maps.pop()), maps.pop()]
        maps.append(self.stages[stage](joined))


class UNet(nn.Module):
    """An encoder and a decoder.

    The state dict holds each tensor once. `load_state_dict` also accepts the state dict of nnU-Net v2's network, where
    some tensors have several names.
    """

    def __init__(self, encoder: nn.Module, decoder: Decoder) -> None:
        """Initialise the weights from torch's random generator."""
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.apply(_initialise)
        self.apply(_begin_as_identity)
        self.register_load_state_dict_pre_hook(drop_aliases)  # type: ignore[no-untyped-call]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor] | torch.Tensor:
        """Return the logits of patches (B, channels, *patch).

        Returns:
            In training mode a list of (B, outputs, *size), from the full resolution to the coarsest of the decoder; in
                evaluation mode the full resolution (B, outputs, *patch) alone.
        """
        logits: list[torch.Tensor] | torch.Tensor = self.decoder(self.encoder(x))
        return logits

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input of the last layer, `decoder.head`: (B, channels, *patch) -> (B, features, *patch)."""
        features: torch.Tensor = self.decoder.features(self.encoder(x))
        return features


def _each(stages: nn.ModuleList, x: torch.Tensor) -> list[torch.Tensor]:
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x)
    return outputs


def _initialise(module: nn.Module) -> None:
    """Initialise the weights as in He et al. 2015 for leaky ReLUs, and the biases with 0."""
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=NEGATIVE_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _begin_as_identity(module: nn.Module) -> None:
    """Zero the last normalisation of a residual block, so that the block begins as its skip alone."""
    if isinstance(module, ResidualBlock):
        for parameter in module.conv2.norm.parameters():
            nn.init.zeros_(parameter)
