"""A sampler: foreground voxels of a case, or any place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnplug.contracts import PatchPlace

if TYPE_CHECKING:
    from nnplug.contracts import SamplingContext


@dataclass(frozen=True, kw_only=True)
class Foreground:
    """Patches centred on a foreground voxel with a probability."""

    share: float = 0.5

    def bind(self, context: SamplingContext) -> Bound:
        """Return the sampler of these cases."""
        return Bound(self.share, context)


@dataclass(frozen=True)
class Bound:
    """The sampler of some cases."""

    share: float
    context: SamplingContext

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        """Return a case, and a foreground voxel of it or None for any place."""
        name = self.context.names[rng.integers(len(self.context.names))]
        found = np.argwhere(self.context.cases[name].label[...] > 0)
        if not len(found) or rng.random() >= self.share:
            return PatchPlace(name)
        return PatchPlace(name, tuple(int(n) for n in found[rng.integers(len(found))]))
