"""Architectures: build networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Topology:
    """The geometry of a U-Net that a planner decides: one entry per stage, from fine to coarse.

    Attributes:
        strides: per stage and axis; 1 for the first stage.
        kernel_sizes: per stage and axis.
        features_per_stage: the number of channels after each stage.
    """

    strides: tuple[tuple[int, ...], ...]
    kernel_sizes: tuple[tuple[int, ...], ...]
    features_per_stage: tuple[int, ...]


class Architecture(Protocol):
    """A component that builds a network. The plans store its options. It imports torch only in `build`.

    Its class also satisfies `TopologyArchitecture` or `PatchArchitecture`, as its entry declares; the planner chooses
    its size in one of these two ways.
    """

    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:
        """Return the number of elements in all feature maps for one patch: the planner's measure of memory."""
        ...

    def check_patch(self, patch_size: Sequence[int]) -> None:
        """Raise `NnplugError`, with the nearest possible size, if the network cannot take a patch of this size."""
        ...

    def build(self, *, channels: int, outputs: int) -> torch.nn.Module:
        """Return the module, with weights drawn from torch's generator.

        In training mode it returns a list of logits (B, outputs, *size) from fine to coarse (deep supervision); the
        first has the size of the patch. In evaluation mode it returns only the first. Both modes have the same state
        dict.
        """
        ...


class TopologyArchitecture(Architecture, Protocol):
    """A U-Net whose stages the planner decides; its entry has `takes_topology=True`."""

    @classmethod
    def options_for(cls, topology: Topology) -> Mapping[str, Any]:
        """Return the options (JSON values) that give the network this geometry."""
        ...


class PatchArchitecture(Architecture, Protocol):
    """A network with a geometry of its own, such as a transformer; the planner decides only the patch.

    Its entry has `takes_topology=False`, the default. The planner reduces the patch until `feature_map_elements` is
    within its budget.
    """

    @classmethod
    def largest_patch(cls, limit: Sequence[int]) -> tuple[int, ...]:
        """Return the largest patch size that the network takes.

        Args:
            limit: the maximum of voxels per axis, (z, y, x) or (y, x).

        Raises:
            NnplugError: the network can take no patch within the limit.
        """
        ...

    @classmethod
    def options_for_patch(cls, patch_size: Sequence[int]) -> Mapping[str, Any]:
        """Return the options (JSON values) of a network for patches of this size, with 2 or 3 axes."""
        ...


class HeadedArchitecture(Architecture, Protocol):
    """A network whose last layer is linear; its entry has `has_linear_head=True`.

    A linear layer commutes with the mean over windows and mirror images. If the layer has fewer inputs than outputs,
    the core averages its inputs and applies it once: this takes less memory and time, and differs only by rounding.
    """

    def split_head(self, network: torch.nn.Module) -> tuple[Callable[[torch.Tensor], torch.Tensor], torch.nn.Module]:
        """Return two parts of a network in evaluation mode: all layers but the last, and the last layer.

        The first maps (B, channels, *patch) to (B, features, *patch). The last is a convolution of kernel size 1: its
        `weight` is (outputs, features, 1, 1[, 1]), its `bias` (outputs) or None.
        """
        ...
