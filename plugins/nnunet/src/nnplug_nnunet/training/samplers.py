"""Samplers: choose the case and the centre of every patch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from nnplug.workspace.case_store import CaseStore
from nnplug_nnunet.training.patch_centres import candidates
from nnplug_nnunet.training.sampling import Candidates, draw_centre, is_forced


@dataclass(frozen=True)
class PatchPlace:
    """The place of a patch.

    Attributes:
        case: the name of the case.
        centre: the voxel (z, y, x) that the patch is centred on; None for any place, drawn uniformly.
    """

    case: str
    centre: tuple[int, ...] | None = None


class Sampling(Protocol):
    """A rule that places patches in the cases of a training. Threads call it at the same time."""

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        """Return the place of one patch.

        Args:
            sample: the index of the patch in its batch, from 0 to the batch size - 1.
            rng: the only source of randomness, made from seed, epoch, iteration and sample.
        """
        ...


@dataclass(frozen=True)
class ForegroundSampling(Sampling):
    """nnU-Net's rule: cases are drawn uniformly; the last third of a batch is centred on foreground.

    Attributes:
        cases: the preprocessed cases.
        names: the cases to draw from.
        batch_size: samples per batch.
        oversampling: share of a batch that is centred on foreground.
        opened: patch centres of the cases that were already used.
    """

    cases: CaseStore
    names: tuple[str, ...]
    batch_size: int
    oversampling: float
    opened: dict[str, Candidates] = field(default_factory=dict, repr=False, compare=False)

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        """See `Sampling`.

        Raises:
            NnplugError: the case is stored without patch centres.
        """
        name = self.names[rng.integers(len(self.names))]
        forced = is_forced(sample, batch_size=self.batch_size, oversampling=self.oversampling)
        if name not in self.opened:
            self.opened[name] = candidates(self.cases[name])
        centre = draw_centre(self.opened[name], forced=forced, rng=rng)
        return PatchPlace(name, None if centre is None else tuple(int(voxel) for voxel in centre))
