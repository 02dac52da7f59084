"""The loss, which gives a scalar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnplug.contracts.loss import Loss, LossContext, LossFunction
from nnplug.errors import InvalidPlugin
from nnplug.registry.attribution import attributed, name_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AttributedLoss(Loss):
    """A loss that attributes errors of the wrapped loss to it."""

    loss: Loss

    def bind(self, context: LossContext) -> LossFunction:
        """See `nnplug.contracts.Loss`."""
        with attributed(self.loss):
            return AttributedLossFunction(self.loss, self.loss.bind(context))


@dataclass(frozen=True)
class AttributedLossFunction(LossFunction):
    """The function of a loss, which attributes errors to the loss.

    Attributes:
        loss: the component.
        function: its function.
    """

    loss: Loss
    function: LossFunction

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """See `nnplug.contracts.LossFunction`."""
        with attributed(self.loss):
            value = self.function(logits, target)
            if value.ndim:  # the shape is on the host: no device waits for this check
                raise InvalidPlugin(
                    f"{name_of(self.loss)} gave a loss of shape {tuple(value.shape)}; expected a scalar"
                )
        return value
