"""A network: convolutions of the full resolution, without any stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from nnplug import NnplugError

if TYPE_CHECKING:
    import torch

    from nnplug.contracts import Topology


@dataclass(frozen=True, kw_only=True)
class Flat:
    """As many convolutions as a U-Net would have stages."""

    kernels: tuple[tuple[int, ...], ...]
    features: int

    @classmethod
    def options_for(cls, topology: Topology) -> Mapping[str, Any]:
        """Return the options with the kernels of this topology."""
        kernels = [list(kernel) for kernel in topology.kernel_sizes]
        return {"kernels": kernels, "features": topology.features_per_stage[0]}

    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:
        """Return the elements of two maps per layer, and of the logits."""
        return (2 * self.features * len(self.kernels) + heads) * prod(patch_size)

    def check_patch(self, patch_size: Sequence[int]) -> None:
        """Raise unless the patch has the axes of the kernels."""
        axes = len(self.kernels[0])
        if len(patch_size) != axes:
            raise NnplugError(f"patch size {list(patch_size)} has {len(patch_size)} axes; expected {axes}")

    def build(self, *, channels: int, outputs: int) -> torch.nn.Module:
        """Return the network on the CPU."""
        from nnplug_stranger.network import FlatNetwork

        return FlatNetwork(channels, outputs, self.features, self.kernels)
