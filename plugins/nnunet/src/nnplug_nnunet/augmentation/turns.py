"""Quarter turns and exchanges of the axes that have one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nnplug_nnunet.augmentation.sample import Sample, happens


def alike_axes(patch_size: Sequence[int]) -> tuple[int, ...]:
    """Return the axes whose size most axes have; none if all sizes differ."""
    counts = [patch_size.count(size) for size in patch_size]
    return tuple(axis for axis, count in enumerate(counts) if count == max(counts)) if max(counts) > 1 else ()


@dataclass(frozen=True)
class Turned:
    """A turn of a sample.

    Attributes:
        quarters: number of quarter turns.
        plane: the two axes of the plane that is turned.
        order: axis of the result -> axis of the turned sample.
    """

    quarters: int
    plane: tuple[int, int]
    order: tuple[int, ...]


@dataclass(frozen=True)
class Turns:
    """Quarter turns in a plane of axes of one size, then an exchange of these axes.

    Attributes:
        patch_size: voxels per axis.
        p_turn: probability of a turn, of none to three quarters.
        p_exchange: probability of an exchange, in any order.
    """

    patch_size: tuple[int, ...]
    p_turn: float
    p_exchange: float

    def draw(self, rng: np.random.Generator, channels: int) -> Turned | None:  # noqa: ARG002
        """Draw a turn; None leaves the sample unchanged."""
        axes = alike_axes(self.patch_size)
        if not axes:
            return None
        turn, exchange = happens(rng, self.p_turn), happens(rng, self.p_exchange)
        one, other = sorted(rng.choice(axes, 2, replace=False).tolist()) if turn else axes[:2]
        order = list(range(len(self.patch_size)))
        if exchange:
            for place, axis in zip(axes, rng.permutation(axes).tolist(), strict=True):
                order[place] = axis
        return Turned(int(rng.integers(4)) if turn else 0, (one, other), tuple(order))

    def apply(self, sample: Sample, params: Turned) -> Sample:
        """Turn image and label; returns new tensors."""
        return Sample.of(_turned(sample.image, params), _turned(sample.label_maps, params))


def _turned(tensor: torch.Tensor, params: Turned) -> torch.Tensor:
    one, other = params.plane
    turned = torch.rot90(tensor, params.quarters, (one + 1, other + 1))
    return turned.permute(0, *(axis + 1 for axis in params.order)).clone(memory_format=torch.contiguous_format)
