"""The clDice loss (Shit et al. 2021, arXiv 2003.07311): overlap of centrelines, which breaks of a tube change most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nnplug.contracts import Loss, LossContext, LossFunction
from nnplug_losses.outputs import SMOOTH, Outputs, mean, soft_dice, sums


@dataclass(frozen=True, kw_only=True)
class ClDice(Loss):
    """(1 - share) (1 - soft Dice) + share (1 - clDice).

    Attributes:
        share: of clDice, from 0 to 1.
        iterations: erosions that make the centreline: at least the largest radius of a tube in voxels.
    """

    share: float = 0.5
    iterations: int = 5

    def __post_init__(self) -> None:
        """Raise `ValueError` if a number is out of range."""
        if not 0 <= self.share <= 1 or self.iterations < 1:
            raise ValueError(f"share is {self.share}, iterations {self.iterations}; expected 0 to 1, and at least 1")

    def bind(self, context: LossContext) -> LossFunction:
        """See `nnplug.contracts.Loss`."""
        return _ClDice(self, context)


@dataclass(frozen=True)
class _ClDice(LossFunction):
    options: ClDice
    context: LossContext

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        world, batch = self.context.world, self.context.batch_dice
        outputs = Outputs.of(logits, target, self.context.labels)
        reference = outputs.masks.float()
        lines = [soft_skeleton(volume, self.options.iterations) for volume in (outputs.chances, reference)]
        precision, sensitivity = (
            (sums(line * other, world, batch=batch) + SMOOTH) / (sums(line, world, batch=batch) + SMOOTH)
            for line, other in zip(lines, (reference, outputs.chances), strict=True)
        )
        overlap = mean(2 * precision * sensitivity / (precision + sensitivity), world, batch=batch)
        share = self.options.share
        return (1 - share) * (1 - soft_dice(outputs, world, batch=batch)) + share * (1 - overlap)


def soft_skeleton(volume: Tensor, iterations: int) -> Tensor:
    """Return the soft centreline of a volume.

    Args:
        volume: (B, C, y, x) or (B, C, z, y, x), from 0 to 1.
        iterations: erosions, one voxel each.

    Returns:
        The same shape: 1 on the centreline of a mask, 0 elsewhere.
    """
    skeleton = functional.relu(volume - _opened(volume))
    for _ in range(iterations):
        volume = _eroded(volume)
        rest = functional.relu(volume - _opened(volume))
        skeleton = skeleton + functional.relu(rest - skeleton * rest)
    return skeleton


def _opened(volume: Tensor) -> Tensor:
    pool = functional.max_pool2d if volume.ndim == 4 else functional.max_pool3d
    dilated: Tensor = pool(_eroded(volume), 3, stride=1, padding=1)
    return dilated


def _eroded(volume: Tensor) -> Tensor:
    """Return the minimum over the voxel and its neighbours along each axis: a cross, which keeps tubes connected."""
    axes = range(2, volume.ndim)
    return torch.stack([_lowest_along(volume, axis) for axis in axes]).amin(0)


def _lowest_along(volume: Tensor, axis: int) -> Tensor:
    size = volume.shape[axis]
    first, last = volume.narrow(axis, 0, 1), volume.narrow(axis, size - 1, 1)  # outside is as the border
    before = torch.cat([first, volume.narrow(axis, 0, size - 1)], axis)
    after = torch.cat([volume.narrow(axis, 1, size - 1), last], axis)
    return torch.minimum(torch.minimum(before, after), volume)
