"""The focal Tversky loss (Abraham and Khan 2019, arXiv 1810.07842)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nnplug.contracts import Loss, LossContext, LossFunction
from nnplug_losses.outputs import SMOOTH, Outputs, mean, sums


@dataclass(frozen=True, kw_only=True)
class FocalTversky(Loss):
    """The mean over the classes of (1 - TI)^(1 / gamma), TI = TP / (TP + alpha FN + beta FP).

    Attributes:
        alpha: weight of missed voxels; more finds small structures.
        beta: weight of voxels that are wrongly found.
        gamma: above 1 makes classes with a high index count more, below 1 those with a low one.
    """

    alpha: float = 0.7
    beta: float = 0.3
    gamma: float = 4 / 3

    def __post_init__(self) -> None:
        """Raise `ValueError` if a number is out of range."""
        if min(self.alpha, self.beta) < 0 or self.alpha + self.beta == 0 or self.gamma <= 0:
            raise ValueError(
                f"alpha is {self.alpha}, beta {self.beta}, gamma {self.gamma}; alpha and beta must be at least 0 and "
                "not both 0, gamma above 0"
            )

    def bind(self, context: LossContext) -> LossFunction:
        """See `nnplug.contracts.Loss`."""
        return _FocalTversky(self, context)


@dataclass(frozen=True)
class _FocalTversky(LossFunction):
    options: FocalTversky
    context: LossContext

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        world, batch = self.context.world, self.context.batch_dice
        outputs = Outputs.of(logits, target, self.context.labels)
        found, there = sums(outputs.chances, world, batch=batch), sums(outputs.masks, world, batch=batch)
        hits = sums(outputs.chances * outputs.masks, world, batch=batch)
        errors = self.options.alpha * (there - hits) + self.options.beta * (found - hits)
        index = (hits + SMOOTH) / (hits + errors + SMOOTH)
        # the derivative of a root is infinite at 0
        return mean((1 - index).clamp(min=1e-6) ** (1 / self.options.gamma), world, batch=batch)
