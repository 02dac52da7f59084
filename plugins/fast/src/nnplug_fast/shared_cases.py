"""A sampler that cuts several patches of each case of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nnplug.contracts import PatchPlace, Sampler, Sampling, SamplingContext
from nnplug.workspace.case_store import CaseStore
from nnplug_nnunet.training.patch_centres import Candidates, candidates
from nnplug_nnunet.training.patches.samplers import BatchSampling
from nnplug_nnunet.training.patches.sampling import draw_centre, is_forced


@dataclass(frozen=True, kw_only=True)
class SharedCases(Sampler):
    """A batch has patches of few cases, drawn uniformly: the first ones of the first case, and so on.

    All patches of a case are centred on its foreground, or all lie anywhere in it. So a batch reads as few cases as one
    of fewer patches, whose pages the system then has in memory.

    Attributes:
        cases: the number of cases of a batch.
        oversampling: share of the cases, the last ones, whose patches are centred on foreground; with one case per
            batch, the probability that it is one of them.
    """

    cases: int
    oversampling: float

    def bind(self, context: SamplingContext) -> Sampling:
        """See `nnplug.contracts.Sampler`."""
        return SharedSampling(self, context.cases, context.names, context.batch_size)


@dataclass(frozen=True)
class SharedSampling(BatchSampling):
    """The rule of `SharedCases` for some cases.

    Attributes:
        sampler: its options.
        cases: the preprocessed cases.
        names: the cases to draw from.
        batch_size: patches per batch.
        opened: patch centres of the cases that were already used.
    """

    sampler: SharedCases
    cases: CaseStore
    names: tuple[str, ...]
    batch_size: int
    opened: dict[str, Candidates] = field(default_factory=dict, repr=False, compare=False)

    def draw_in_batch(self, sample: int, rng: np.random.Generator, batch_rng: np.random.Generator) -> PatchPlace:
        """See `BatchSampling`.

        Raises:
            NnplugError: the case is stored without patch centres.
        """
        count, share = self.sampler.cases, self.sampler.oversampling
        number = sample * count // self.batch_size
        name = self.names[batch_rng.integers(len(self.names), size=count)[number]]
        if count == 1:
            forced = bool(batch_rng.random() < share)
        else:
            forced = is_forced(number, batch_size=count, oversampling=share)
        if name not in self.opened:
            self.opened[name] = candidates(self.cases[name])
        centre = draw_centre(self.opened[name], forced=forced, rng=rng)
        return PatchPlace(name, None if centre is None else tuple(int(voxel) for voxel in centre))
