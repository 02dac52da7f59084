"""Architectures: build networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Topology:
    """A U-shaped network's geometry, as a planner decides it; one entry per stage, from fine to coarse.

    Attributes:
        strides: per stage and axis; the first stage has 1.
        kernel_sizes: per stage and axis.
        features_per_stage: channels after each stage.
    """

    strides: tuple[tuple[int, ...], ...]
    kernel_sizes: tuple[tuple[int, ...], ...]
    features_per_stage: tuple[int, ...]


class Architecture(Protocol):
    """A network. Its options are what the plans store; torch is imported in `build` only.

    A planner sizes it by one of two ways, which the entry names: `TopologyArchitecture` or `PatchArchitecture`.
    """

    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:
        """Elements of all feature maps of one sample: the planner's measure of memory, by arithmetic."""
        ...

    def check_patch(self, patch_size: Sequence[int]) -> None:
        """Raise `NnplugError` with the nearest size that fits if the network cannot take such a patch."""
        ...

    def build(self, *, channels: int, outputs: int) -> torch.nn.Module:
        """The module, freshly initialised from torch's generator.

        In training mode it gives a list of logits (B, outputs, *patch) from fine to coarse (deep supervision), in
        evaluation mode the full-resolution logits alone. Both have the same state dict.
        """
        ...


class TopologyArchitecture(Architecture, Protocol):
    """A U-Net whose stages the planner decides; its entry says `takes_topology=True`."""

    @classmethod
    def options_for(cls, topology: Topology) -> Mapping[str, Any]:
        """Return the options (JSON values) with which this network has that geometry."""
        ...


class PatchArchitecture(Architecture, Protocol):
    """A network with a geometry of its own, such as a transformer; the planner decides the patch alone.

    Its entry says nothing of a topology. The planner shrinks the patch until `feature_map_elements` fits its budget.
    """

    @classmethod
    def largest_patch(cls, limit: Sequence[int]) -> tuple[int, ...]:
        """Return the largest patch size that the network takes.

        Args:
            limit: voxels per axis, (z, y, x) or (y, x), that the patch must not exceed.

        Raises:
            NnplugError: the network takes no patch within the limit.
        """
        ...

    @classmethod
    def options_for_patch(cls, patch_size: Sequence[int]) -> Mapping[str, Any]:
        """Return the options (JSON values) of a network for patches of that size, with 2 or 3 axes."""
        ...


class HeadedArchitecture(Architecture, Protocol):
    """A network whose last layer is linear; its entry says `has_linear_head=True`.

    The mean of logits over windows and mirror images is what that layer makes of the mean of its inputs. Where these
    are fewer than the classes, the core sums them up instead: in less memory and time, equal but for rounding.
    """

    def split_head(self, network: torch.nn.Module) -> tuple[Callable[[torch.Tensor], torch.Tensor], torch.nn.Module]:
        """Split a network, in evaluation mode, into all layers but the last, and the last.

        The first takes (B, channels, *patch) and gives (B, features, *patch). The last is a convolution of kernel size
        1: its `weight` is (outputs, features, 1, 1[, 1]), its `bias` (outputs) or None.
        """
        ...
