"""A network for planning: options, arithmetic on shapes, and a method to build it. No torch at module level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from nnplug import NnplugError

# Inheriting from the Protocol lets mypy compare the methods with it; nnplug itself does not require it.
from nnplug.contracts import TopologyArchitecture

if TYPE_CHECKING:
    import torch

    from nnplug.contracts import Topology


# The fields are what the plans store, one entry per stage from fine to coarse.
@dataclass(frozen=True, kw_only=True)
class SmallUNet(TopologyArchitecture):
    """A U-Net that adds its skips.

    Attributes:
        features_per_stage: channels of each stage.
        kernel_sizes: kernel size of each stage, an odd number per axis.
        strides: stride of each stage, a number per axis; the first stage has 1.
    """

    features_per_stage: tuple[int, ...]
    kernel_sizes: tuple[tuple[int, ...], ...]
    strides: tuple[tuple[int, ...], ...]

    # Options that contradict each other are refused before anything runs; nnplug adds the component's name.
    def __post_init__(self) -> None:
        """Raise `ValueError` if the lists have different lengths."""
        if not len(self.features_per_stage) == len(self.kernel_sizes) == len(self.strides):
            raise ValueError("features_per_stage, kernel_sizes and strides must have an entry per stage")

    # A planner decides strides, kernels and features without reading this class; here they become its options.
    @classmethod
    def options_for(cls, topology: Topology) -> Mapping[str, Any]:
        """Return the options with this topology, as lists, because JSON has no tuples."""
        return {
            "features_per_stage": list(topology.features_per_stage),
            "kernel_sizes": [list(kernel) for kernel in topology.kernel_sizes],
            "strides": [list(stride) for stride in topology.strides],
        }

    # The planner shrinks the patch until this number fits its memory target: count the maps that forward() keeps.
    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:  # noqa: ARG002
        """Return the elements of two maps per encoder stage, three per decoder stage, and the logits."""
        size, voxels = list(patch_size), []
        for stride in self.strides:
            size = [n // s for n, s in zip(size, stride, strict=True)]
            voxels.append(prod(size))
        maps = [features * n for features, n in zip(self.features_per_stage, voxels, strict=True)]
        return 2 * sum(maps) + 3 * sum(maps[:-1]) + heads * sum(voxels[:-1])

    # Called when planning, so that `--set plan.patch_size=..` fails there and not hours later.
    def check_patch(self, patch_size: Sequence[int]) -> None:
        """Raise unless the strides divide the patch.

        Raises:
            NnplugError: the patch does not fit; the message names one that fits.
        """
        if len(self.strides) == 1:
            raise NnplugError(f"a patch of {list(patch_size)} is too small for a U-Net; an axis needs at least 8")
        divisor = [prod(axis) for axis in zip(*self.strides, strict=True)]
        if len(patch_size) != len(divisor):
            raise NnplugError(f"patch size {list(patch_size)} has {len(patch_size)} axes; expected {len(divisor)}")
        nearest = [max(1, round(n / d)) * d for n, d in zip(patch_size, divisor, strict=True)]
        if nearest != list(patch_size):
            raise NnplugError(f"patch size {list(patch_size)} does not fit; the nearest that does is {nearest}")

    # Torch is imported here, when training or prediction builds the network.
    def build(self, *, channels: int, outputs: int) -> torch.nn.Module:
        """Return the network, initialised from torch's generator, which nnplug has seeded."""
        from nnplug_acme.network import AddingUNet

        return AddingUNet(channels, outputs, self.features_per_stage, self.kernel_sizes, self.strides)
