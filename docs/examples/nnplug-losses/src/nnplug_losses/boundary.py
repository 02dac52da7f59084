"""A loss that counts voxels near boundaries more, after the weights of U-Net (arXiv 1505.04597)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nnplug.contracts import Loss, LossContext, LossFunction
from nnplug_losses.outputs import Outputs, soft_dice


@dataclass(frozen=True, kw_only=True)
class BoundaryEntropy(Loss):
    """1 - soft Dice, plus cross-entropy (binary for regions) with the weight 1 + w exp(-d^2 / (2 width^2)).

    d is the number of steps to the nearest voxel that touches another label; a step goes to any of the 8 or 26
    neighbours. It is computed on the device. The sum is divided by the sum of the weights.

    Attributes:
        weight: w, the additional weight at the boundary.
        width: in voxels.
    """

    weight: float = 5.0
    width: float = 2.0

    def __post_init__(self) -> None:
        """Raise `ValueError` if a number is out of range."""
        if self.weight < 0 or self.width <= 0:
            raise ValueError(f"weight is {self.weight}, width {self.width}; expected at least 0, and above 0")

    def bind(self, context: LossContext) -> LossFunction:
        """See `nnplug.contracts.Loss`."""
        return _BoundaryEntropy(self, context)


@dataclass(frozen=True)
class _BoundaryEntropy(LossFunction):
    options: BoundaryEntropy
    context: LossContext

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        labels, world = self.context.labels, self.context.world
        outputs = Outputs.of(logits, target, labels)
        dice = soft_dice(outputs, world, batch=self.context.batch_dice)
        if labels.has_regions:
            wanted = outputs.masks.float()
            each = functional.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none")
            each = each.mean(1, keepdim=True)
        else:
            label = target[:, 0].long().masked_fill(~outputs.counted[:, 0], 0)
            each = functional.cross_entropy(logits.float(), label, reduction="none")[:, None]
        distance = boundary_distance(target, outputs.counted, limit=round(3 * self.options.width) + 1)
        closeness = torch.exp(-distance.square() / (2 * self.options.width**2))
        weights = (1 + self.options.weight * closeness) * outputs.counted
        return 1 - dice + world.sum((each * weights).sum()) / world.sum(weights.sum()).clamp(min=1)


def boundary_distance(target: Tensor, counted: Tensor, *, limit: int) -> Tensor:
    """Return the distance to the nearest boundary between labels, 0 on both sides of it.

    Args:
        target: (B, 1, *patch) label values.
        counted: (B, 1, *patch) boolean; ignored voxels have no boundary.
        limit: largest distance.

    Returns:
        (B, 1, *patch) float32, in steps to any neighbour.
    """
    pool = functional.max_pool2d if target.ndim == 4 else functional.max_pool3d
    values = target.float()
    highest = pool(values.masked_fill(~counted, -torch.inf), 3, stride=1, padding=1)
    lowest = -pool((-values).masked_fill(~counted, -torch.inf), 3, stride=1, padding=1)
    near = ((highest != lowest) & counted).float()
    distance = torch.where(near > 0, 0.0, float(limit))
    for step in range(1, limit):
        near = pool(near, 3, stride=1, padding=1)
        distance = torch.minimum(distance, torch.where(near > 0, float(step), float(limit)))
    return distance
