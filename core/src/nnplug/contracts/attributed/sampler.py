"""The sampler, whose places are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING

from nnplug.contracts.sampler import PatchPlace, Sampler, Sampling, SamplingContext
from nnplug.registry.attribution import attributed, broken, expect

if TYPE_CHECKING:
    import numpy as np

    from nnplug.workspace.case_store import CaseStore


@dataclass(frozen=True)
class AttributedSampler(Sampler):
    """A sampler that attributes errors of the wrapped sampler to it, in any thread."""

    sampler: Sampler

    def bind(self, context: SamplingContext) -> Sampling:
        """See `nnplug.contracts.Sampler`."""
        with attributed(self.sampler):
            return _Sampling(self.sampler, self.sampler.bind(context), context.cases, frozenset(context.names))


@dataclass(frozen=True)
class _Sampling(Sampling):
    sampler: Sampler
    sampling: Sampling
    cases: CaseStore
    names: frozenset[str]
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        with attributed(self.sampler):
            place = expect(self.sampler, self.sampling.draw(sample, rng), PatchPlace)
            if place.case not in self.names:
                raise broken(self.sampler, f"returned the case {place.case!r}, which is not among its cases")
            if place.centre is not None:
                self._check_centre(place.case, place.centre)
        return place

    def _check_centre(self, case: str, centre: Sequence[object]) -> None:
        if case not in self.shapes:
            self.shapes[case] = self.cases[case].label.shape
        shape = self.shapes[case]
        if len(centre) != len(shape) or any(
            not isinstance(index, Integral) or not 0 <= int(index) < size
            for index, size in zip(centre, shape, strict=True)
        ):
            expected = f"expected (z, y, x) or None, integers inside the case's {shape}"
            raise broken(self.sampler, f"gave the centre {tuple(centre)} for case {case!r}; {expected}")
