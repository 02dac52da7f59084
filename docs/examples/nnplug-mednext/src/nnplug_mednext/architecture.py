"""MedNeXt for planning: options and arithmetic on shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from nnplug import NnplugError
from nnplug.contracts import TopologyArchitecture

if TYPE_CHECKING:
    import torch

    from nnplug.contracts import Topology

Size = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class MedNeXt(TopologyArchitecture):
    """The options of a MedNeXt; one entry per stage, from fine to coarse.

    Attributes:
        features_per_stage: channels between the blocks.
        kernel_sizes: kernel sizes of the depthwise convolutions, odd.
        strides: per axis; the first stage has 1.
        blocks_per_stage: blocks of the encoder, and of the decoder, at each resolution.
        expansion: channels inside a block as a multiple of those between blocks.
    """

    features_per_stage: tuple[int, ...]
    kernel_sizes: tuple[Size, ...]
    strides: tuple[Size, ...]
    blocks_per_stage: tuple[int, ...]
    expansion: int = 2

    def __post_init__(self) -> None:
        """Raise `ValueError` if options contradict each other."""
        stages = {
            len(values) for values in (self.features_per_stage, self.kernel_sizes, self.strides, self.blocks_per_stage)
        }
        if len(stages) != 1:
            raise ValueError(
                "features_per_stage, kernel_sizes, strides and blocks_per_stage must have an entry per stage"
            )
        if self.expansion < 1 or min(self.blocks_per_stage) < 1:
            raise ValueError(
                f"expansion is {self.expansion} and blocks_per_stage {list(self.blocks_per_stage)}; "
                "every number must be at least 1"
            )

    @classmethod
    def options_for(cls, topology: Topology) -> Mapping[str, Any]:
        """Return the options: two blocks per stage, as in the smallest of the paper's networks."""
        return {
            "features_per_stage": list(topology.features_per_stage),
            "kernel_sizes": [list(kernel) for kernel in topology.kernel_sizes],
            "strides": [list(stride) for stride in topology.strides],
            "blocks_per_stage": [2] * len(topology.strides),
        }

    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:  # noqa: ARG002
        """Return the number of elements that convolutions write for one sample, counted as in nnU-Net.

        A block of C channels writes C + expansion x C + C elements per voxel.
        """
        voxels = self._voxels(patch_size)
        maps = [features * n for features, n in zip(self.features_per_stage, voxels, strict=True)]
        blocks = [(2 + self.expansion) * n * m for n, m in zip(self.blocks_per_stage, maps, strict=True)]
        resampling = sum(maps[1:]) + sum(maps[:-1])
        return maps[0] + sum(blocks) + sum(blocks[:-1]) + resampling + heads * voxels[0]

    def check_patch(self, patch_size: Sequence[int]) -> None:
        """Raise unless the strides divide the patch.

        Raises:
            NnplugError: the patch does not fit; the message names one that fits.
        """
        divisor = [prod(axis) for axis in zip(*self.strides, strict=True)]
        if len(patch_size) != len(divisor):
            raise NnplugError(f"patch size {list(patch_size)} has {len(patch_size)} axes; expected {len(divisor)}")
        if len(self.strides) == 1:
            raise NnplugError(f"a patch of {list(patch_size)} is too small for a U-Net; an axis needs at least 8")
        nearest = [max(1, round(n / d)) * d for n, d in zip(patch_size, divisor, strict=True)]
        if nearest != list(patch_size):
            raise NnplugError(f"patch size {list(patch_size)} does not fit; the nearest that does is {nearest}")

    def build(self, *, channels: int, outputs: int) -> torch.nn.Module:
        """Return the network, initialised from torch's generator."""
        from nnplug_mednext.network import Network

        return Network(self, channels, outputs)

    def _voxels(self, patch_size: Sequence[int]) -> list[int]:
        size, voxels = list(patch_size), []
        for stride in self.strides:
            size = [n // s for n, s in zip(size, stride, strict=True)]
            voxels.append(prod(size))
        return voxels
