"""The component `foreign-turns` of kind sampler: neighbours in a batch come from different cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnplug.contracts import PatchPlace, Sampler, Sampling, SamplingContext
from nnplug_foreign.case_index import ARRAY


@dataclass(frozen=True, kw_only=True)
class Turns(Sampler):
    """Sample n of a batch draws from every second case, the even or the odd ones.

    Attributes:
        foreground: the share of patches that is centred on a foreground voxel.
    """

    foreground: float = 0.5

    def bind(self, context: SamplingContext) -> Sampling:
        """See `nnplug.contracts.Sampler`."""
        return _Turns(self.foreground, context)


@dataclass(frozen=True)
class _Turns(Sampling):
    foreground: float
    context: SamplingContext

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        names = self.context.names[sample % 2 :: 2] or self.context.names
        name = names[rng.integers(len(names))]
        voxels = self.context.cases[name].index.arrays[ARRAY]
        if not len(voxels) or rng.random() >= self.foreground:
            return PatchPlace(name)
        return PatchPlace(name, tuple(int(n) for n in voxels[int(rng.integers(len(voxels)))]))
