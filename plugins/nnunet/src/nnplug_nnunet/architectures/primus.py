"""`primus`: the transformer of nnU-Net's Primus trainers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from nnplug.contracts import PatchArchitecture
from nnplug.errors import NnplugError
from nnplug_nnunet.primus_extent import SIZES, TOKEN, SizeName, decoder_channels

if TYPE_CHECKING:
    from nnplug_nnunet.networks.primus import PrimusNetwork


@dataclass(frozen=True, kw_only=True)
class Primus(PatchArchitecture):
    """Primus (arXiv 2503.01835) for 3D patches: tokens of 8 x 8 x 8 voxels, a transformer, and a small decoder.

    Attributes:
        patch_size: (z, y, x), multiples of 8. Positions are learnt, so the network takes no other patch.
        size: S, B, M or L, of about 23, 91, 144 and 323 million weights.
        drop_path: probability that the last block is left out for a sample in training; it rises linearly from 0.
    """

    patch_size: tuple[int, ...]
    size: SizeName = "S"
    drop_path: float = 0.2

    def __post_init__(self) -> None:
        """Raise `ValueError` if a number is out of range."""
        if len(self.patch_size) != 3 or any(n < TOKEN or n % TOKEN for n in self.patch_size):
            raise ValueError(f"patch_size is {list(self.patch_size)}; expected three multiples of {TOKEN}")
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path is {self.drop_path}; it must be from 0 to below 1")

    @classmethod
    def largest_patch(cls, limit: Sequence[int]) -> tuple[int, ...]:
        """See `nnplug.contracts.PatchArchitecture`."""
        if len(limit) != 3 or min(limit) < TOKEN:
            raise NnplugError(f"primus takes no patch within {list(limit)}; it needs 3 axes of at least {TOKEN} voxels")
        return tuple(n // TOKEN * TOKEN for n in limit)

    @classmethod
    def options_for_patch(cls, patch_size: Sequence[int]) -> Mapping[str, Any]:
        """See `nnplug.contracts.PatchArchitecture`."""
        return {"patch_size": list(patch_size)}

    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:  # noqa: ARG002
        """Return the number of elements that linear layers and convolutions write for one sample."""
        extent, tokens = SIZES[self.size], prod(patch_size) // TOKEN**3
        block = 5 * extent.width + 2 * extent.hidden  # query, key, value, both results, and the hidden layers
        channels_of = enumerate(decoder_channels(extent.width, heads))
        decoder: int = sum(count * 8**stage for stage, count in channels_of if stage)
        return int(tokens * (extent.width + extent.depth * block + decoder))

    def check_patch(self, patch_size: Sequence[int]) -> None:
        """See `nnplug.contracts.Architecture`."""
        if list(patch_size) != list(self.patch_size):
            raise NnplugError(
                f"patch size {list(patch_size)} does not fit; this network is made for {list(self.patch_size)} "
                "(architecture.patch_size)"
            )

    def build(self, *, channels: int, outputs: int) -> PrimusNetwork:
        """Return the network with fresh weights; see `nnplug_nnunet.networks.primus`."""
        from nnplug_nnunet.networks.primus import PrimusNetwork

        extent = SIZES[self.size]
        return PrimusNetwork(extent, self.patch_size, channels=channels, outputs=outputs, drop_path=self.drop_path)
