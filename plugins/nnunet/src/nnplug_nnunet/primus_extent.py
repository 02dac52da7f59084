"""The sizes of Primus, without torch: for planning and for the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SizeName = Literal["S", "B", "M", "L"]
TOKEN = 8
"""Voxels of a token along each axis."""
STAGES = 3
"""Stages of the decoder, each of which doubles the resolution."""


@dataclass(frozen=True)
class Extent:
    """The size of a transformer.

    Attributes:
        width: features of a token.
        depth: number of blocks.
        heads: heads of attention.
    """

    width: int
    depth: int
    heads: int

    @property
    def hidden(self) -> int:
        """The features inside a gated layer: as many weights as a plain one of four times the width."""
        return int(self.width * (4 * 2 / 3))


SIZES: Mapping[SizeName, Extent] = {
    "S": Extent(396, 12, 6),
    "B": Extent(792, 12, 12),
    "M": Extent(864, 16, 12),
    "L": Extent(1056, 24, 16),
}


def decoder_channels(width: int, outputs: int) -> tuple[int, ...]:
    """Return the channels before, between and after the stages of the decoder.

    They fall by one factor, from `width` towards twice the outputs, in multiples of 8.
    """
    factor = (width / (2 * outputs)) ** (1 / STAGES)
    between = [max(8, round((width / factor**stage + 1e-6) / 8) * 8) for stage in range(1, STAGES)]
    return width, *between, outputs
