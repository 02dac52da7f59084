"""`residual-encoder-unet`: the network of nnU-Net's ResEnc presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from nnplug_nnunet.architectures.geometry import UNetGeometry

if TYPE_CHECKING:
    from nnplug.contracts import Topology
    from nnplug_nnunet.networks import UNet

FIRST_BLOCKS = (1, 3, 4)
"""The numbers of residual blocks of the finest stages; the other stages have `BLOCKS`."""

BLOCKS = 6


@dataclass(frozen=True, kw_only=True)
class ResidualEncoderUNet(UNetGeometry):
    """A U-Net with a residual encoder and a plain decoder.

    Attributes:
        n_blocks_per_stage: residual blocks per encoder stage.
    """

    n_blocks_per_stage: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raise `ValueError` if options contradict each other; see `UNetGeometry`."""
        super().__post_init__()
        self.check_stages("n_blocks_per_stage", self.n_blocks_per_stage)

    @classmethod
    def options_for(cls, topology: Topology) -> Mapping[str, Any]:
        """Return the options: 1, 3, 4, 6, 6 .. residual blocks, and one convolution per decoder stage."""
        n = len(topology.strides)
        return {
            "n_stages": n,
            "features_per_stage": list(topology.features_per_stage),
            "kernel_sizes": [list(k) for k in topology.kernel_sizes],
            "strides": [list(s) for s in topology.strides],
            "n_blocks_per_stage": [*FIRST_BLOCKS, *[BLOCKS] * n][:n],
            "n_conv_per_stage_decoder": [1] * (n - 1),
        }

    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:  # noqa: ARG002
        """Return the number of elements that convolutions write for one sample; the input is not counted."""
        stem = self.features_per_stage[0] * prod(patch_size)
        return stem + self._encoder_elements(patch_size) + self.decoder_elements(patch_size, heads)

    def _encoder_elements(self, patch_size: Sequence[int]) -> int:
        """Count two maps per block, and one for a skip that changes channels or size."""
        elements = 0
        channels = pairwise((self.features_per_stage[0], *self.features_per_stage))
        stages = zip(channels, self.n_blocks_per_stage, self.strides, self.sizes(patch_size), strict=True)
        for (before, after), blocks, stride, size in stages:
            skip = before != after or any(s != 1 for s in stride)
            elements += (2 * blocks + skip) * after * prod(size)
        return elements

    def build(self, *, channels: int, outputs: int) -> UNet:
        """Return the network with fresh weights; see `nnplug_nnunet.networks.UNet`."""
        from nnplug_nnunet.networks import ResidualEncoder, UNet

        geometry = (self.features_per_stage, self.kernel_sizes, self.strides, self.n_blocks_per_stage)
        return UNet(ResidualEncoder(self.layers(), channels, *geometry), self.decoder(outputs))
