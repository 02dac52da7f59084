"""The component `foreign-dilated` of kind architecture, as planning sees it: no torch at the top."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, cast

from nnplug import NnplugError
from nnplug.contracts import HeadedArchitecture, PatchArchitecture

if TYPE_CHECKING:
    import torch

    from nnplug_foreign.network import DilatedNetwork

SMALLEST = 8
"""The smallest patch size along an axis, in voxels."""


@dataclass(frozen=True, kw_only=True)
class DilatedStack(HeadedArchitecture, PatchArchitecture):
    """Residual dilated convolutions at full resolution: no strides, no skips, no deep supervision.

    Attributes:
        dimensions: 2 or 3.
        dilations: one residual convolution each.
        features: channels between the convolutions.
    """

    dimensions: int
    dilations: tuple[int, ...]
    features: int = 16

    def __post_init__(self) -> None:
        """Refuse options of which no network can be built."""
        if self.dimensions not in (2, 3):
            raise ValueError(f"dimensions is {self.dimensions}; expected 2 or 3")
        if not self.dilations or min(*self.dilations, self.features) < 1:
            raise ValueError(f"dilations is {list(self.dilations)}, features {self.features}; expected numbers above 0")

    @classmethod
    def largest_patch(cls, limit: Sequence[int]) -> tuple[int, ...]:
        """See `nnplug.contracts.PatchArchitecture`: any size from 8 voxels on."""
        if min(limit) < SMALLEST:
            raise NnplugError(f"foreign-dilated takes no patch within {list(limit)}; an axis needs {SMALLEST} voxels")
        return tuple(limit)

    @classmethod
    def options_for_patch(cls, patch_size: Sequence[int]) -> Mapping[str, Any]:
        """See `nnplug.contracts.PatchArchitecture`: dilations double as long as a kernel fits into half a patch."""
        dilations = [1]
        while 8 * dilations[-1] <= min(patch_size):
            dilations.append(2 * dilations[-1])
        return {"dimensions": len(patch_size), "dilations": [*dilations, 1]}

    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:
        """See `nnplug.contracts.Architecture`: the outputs of each convolution and of each norm, and the logits."""
        return prod(patch_size) * (channels + self.features * (1 + 2 * len(self.dilations)) + heads)

    def check_patch(self, patch_size: Sequence[int]) -> None:
        """See `nnplug.contracts.Architecture`."""
        if len(patch_size) != self.dimensions:
            raise NnplugError(f"patch size {list(patch_size)} has {len(patch_size)} axes; expected {self.dimensions}")
        nearest = [max(size, SMALLEST) for size in patch_size]
        if nearest != list(patch_size):
            raise NnplugError(f"patch size {list(patch_size)} does not fit; the nearest that does is {nearest}")

    def build(self, *, channels: int, outputs: int) -> torch.nn.Module:
        """See `nnplug.contracts.Architecture`."""
        from nnplug_foreign.network import DilatedNetwork

        return DilatedNetwork(self, channels, outputs)

    def split_head(self, network: torch.nn.Module) -> tuple[Callable[[torch.Tensor], torch.Tensor], torch.nn.Module]:
        """See `nnplug.contracts.HeadedArchitecture`."""
        made = cast("DilatedNetwork", network)
        return made.body, made.head
