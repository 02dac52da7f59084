"""Wrappers of the components that a trainer calls in every iteration; they attribute errors to the component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnplug.contracts.loss import Loss, LossContext, LossFunction
from nnplug.contracts.sampler import PatchPlace, Sampler, Sampling, SamplingContext
from nnplug.errors import InvalidPlugin
from nnplug.registry.attribution import attributed, expect, name_of

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class AttributingLoss(Loss):
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


@dataclass(frozen=True)
class AttributingSampler(Sampler):
    """A sampler that attributes errors of the wrapped sampler to it, in any thread."""

    sampler: Sampler

    def bind(self, context: SamplingContext) -> Sampling:
        """See `nnplug.contracts.Sampler`."""
        with attributed(self.sampler):
            return _Sampling(self.sampler, self.sampler.bind(context), frozenset(context.names))


@dataclass(frozen=True)
class _Sampling(Sampling):
    sampler: Sampler
    sampling: Sampling
    names: frozenset[str]

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        with attributed(self.sampler):
            place = expect(self.sampler, self.sampling.draw(sample, rng), PatchPlace)
            if place.case not in self.names:
                raise InvalidPlugin(
                    f"{name_of(self.sampler)} returned the case {place.case!r}, which is not among its cases"
                )
            if place.centre is not None and len(place.centre) != 3:
                raise InvalidPlugin(
                    f"{name_of(self.sampler)} gave the centre {place.centre}; expected (z, y, x) or None"
                )
        return place
