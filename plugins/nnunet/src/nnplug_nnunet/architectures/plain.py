"""`plain-conv-unet`: nnU-Net's default network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from nnplug_nnunet.architectures.geometry import UNetGeometry

if TYPE_CHECKING:
    from nnplug.contracts import Topology
    from nnplug_nnunet.networks import UNet


@dataclass(frozen=True, kw_only=True)
class PlainConvUNet(UNetGeometry):
    """A U-Net of plain convolution blocks.

    Attributes:
        n_conv_per_stage: convolutions per encoder stage.
    """

    n_conv_per_stage: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raise `ValueError` if options contradict each other; see `UNetGeometry`."""
        super().__post_init__()
        self.check_stages("n_conv_per_stage", self.n_conv_per_stage)

    @classmethod
    def options_for(cls, topology: Topology) -> Mapping[str, Any]:
        """Return the options of this topology, with two convolutions per stage."""
        n = len(topology.strides)
        return {
            "n_stages": n,
            "features_per_stage": list(topology.features_per_stage),
            "kernel_sizes": [list(k) for k in topology.kernel_sizes],
            "strides": [list(s) for s in topology.strides],
            "n_conv_per_stage": [2] * n,
            "n_conv_per_stage_decoder": [2] * (n - 1),
        }

    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:  # noqa: ARG002
        """Return the number of elements that convolutions write for one sample; the input is not counted."""
        maps = zip(self.n_conv_per_stage, self.features_per_stage, self.sizes(patch_size), strict=True)
        return sum(n * f * prod(size) for n, f, size in maps) + self.decoder_elements(patch_size, heads)

    def build(self, *, channels: int, outputs: int) -> UNet:
        """Return the network with fresh weights; see `nnplug_nnunet.networks.UNet`."""
        from nnplug_nnunet.networks import PlainEncoder, UNet

        geometry = (self.features_per_stage, self.kernel_sizes, self.strides, self.n_conv_per_stage)
        return UNet(PlainEncoder(self.layers(), channels, *geometry), self.decoder(outputs))
