"""A sound sampler, and samplers that break one promise each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nnplug.contracts import PatchPlace, SamplingContext


@dataclass
class Bound:
    made: object
    context: SamplingContext
    calls: list = field(default_factory=list)

    def draw(self, sample, rng):
        self.calls.append(sample)
        return self.made.place(self.context, rng, self)


class Sound:
    """Any voxel of any case."""

    def bind(self, context):
        return Bound(self, context)

    def place(self, context, rng, bound):
        name = context.names[rng.integers(len(context.names))]
        return PatchPlace(name, self.centre(context.cases[name], rng))

    def centre(self, case, rng):
        return tuple(int(rng.integers(extent)) for extent in case.label.shape)


class Outside(Sound):
    def centre(self, case, rng):
        return tuple(int(extent + rng.integers(2)) for extent in case.label.shape)


class AllCases(Sound):
    """Draws from every stored case, also from those of validation."""

    def place(self, context, rng, bound):
        names = sorted(context.cases)
        return PatchPlace(names[rng.integers(len(names))])


class Unseeded(Sound):
    def centre(self, case, rng):
        return super().centre(case, np.random.default_rng())


class TakesTurns(Sound):
    """Goes through the cases in the order of the calls."""

    def place(self, context, rng, bound):
        return PatchPlace(context.names[len(bound.calls) % len(context.names)], None)


class OneCase(Sound):
    def place(self, context, rng, bound):
        return PatchPlace(context.names[0], self.centre(context.cases[context.names[0]], rng))


class NeedsForeground(Sound):
    def centre(self, case, rng):
        found = np.argwhere(case.label[...] > 0)
        return tuple(int(n) for n in found[rng.integers(len(found))])
