"""The sampler, whose places are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnplug.contracts.sampler import PatchPlace, Sampler, Sampling, SamplingContext
from nnplug.errors import InvalidPlugin
from nnplug.registry.attribution import attributed, expect, name_of

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class AttributedSampler(Sampler):
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
