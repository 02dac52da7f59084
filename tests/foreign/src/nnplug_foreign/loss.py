"""The component `foreign-squares` of kind loss: squared errors of probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nnplug.contracts import Loss, LossContext, LossFunction
from nnplug_foreign.losses import one_hot


@dataclass(frozen=True, kw_only=True)
class SquaredError(Loss):
    """The mean squared error of the probabilities (Brier score); ignored voxels do not count.

    Attributes:
        foreground_weight: how many times a voxel of the foreground counts.
    """

    foreground_weight: float = 1.0

    def bind(self, context: LossContext) -> LossFunction:
        """See `nnplug.contracts.Loss`."""
        return _SquaredError(self.foreground_weight, context)


@dataclass(frozen=True)
class _SquaredError(LossFunction):
    weight: float
    context: LossContext

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        labels, label = self.context.labels, target[:, 0].long()
        chances = logits.sigmoid() if labels.has_regions else logits.softmax(1)
        counted = torch.ones_like(label, dtype=torch.bool) if labels.ignore is None else label != labels.ignore
        weights = counted * torch.where(label > 0, self.weight, 1.0)
        each = (chances - one_hot(label, labels)).square().mean(1)
        return (each * weights).sum() / weights.sum().clamp(min=1)
