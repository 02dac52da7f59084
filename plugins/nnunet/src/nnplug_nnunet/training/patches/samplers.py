"""Samplers: choose the case and the centre of every patch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nnplug.contracts import PatchPlace, Sampler, Sampling, SamplingContext
from nnplug.workspace.case_store import CaseStore
from nnplug_nnunet.training.patch_centres import Candidates, Voxel, candidates
from nnplug_nnunet.training.patches.sampling import Oversampled, chance_of_foreground, draw_centre, is_forced

OVERSAMPLING = 0.33


@dataclass(frozen=True, kw_only=True)
class NnunetSampler(Sampler):
    """Cases are drawn uniformly; the last samples of a batch are centred on a class that the case has.

    Attributes:
        oversampling: share of a batch that is centred on foreground.
        oversampled: the last samples of each batch, their number rounded; or each sample with this probability
            ("random"), or with the rounded share of the last ones as its probability ("random-whole").
    """

    oversampling: float = OVERSAMPLING
    oversampled: Oversampled = "last"

    def __post_init__(self) -> None:
        """Raise `ValueError` if the share is out of range."""
        _check_share(self.oversampling)

    def bind(self, context: SamplingContext) -> Sampling:
        """See `nnplug.contracts.Sampler`."""
        chance = chance_of_foreground(self.oversampled, batch_size=context.batch_size, oversampling=self.oversampling)
        return ForegroundSampling(context.cases, context.names, context.batch_size, self.oversampling, chance)


@dataclass(frozen=True, kw_only=True)
class ClassBalanced(Sampler):
    """Classes are drawn uniformly over all cases, so that one that few cases have is not seen more rarely.

    For the last samples of a batch: draw a class or region that any case has, then a case that has it, then a voxel of
    it. The other samples are nnU-Net's: a case uniformly, and any place in it.

    Attributes:
        oversampling: share of a batch that is centred on foreground.
    """

    oversampling: float = OVERSAMPLING

    def __post_init__(self) -> None:
        """Raise `ValueError` if the share is out of range."""
        _check_share(self.oversampling)

    def bind(self, context: SamplingContext) -> Sampling:
        """See `nnplug.contracts.Sampler`.

        Raises:
            NnplugError: a case is stored without patch centres.
        """
        opened = {name: candidates(context.cases[name]) for name in context.names}
        keys = range(len(context.labels.keys))
        holders = {key: tuple(name for name in context.names if len(opened[name].foreground[key])) for key in keys}
        present = {key: names for key, names in holders.items() if names}
        return BalancedSampling(context.names, context.batch_size, self.oversampling, opened, present)


class BatchSampling(Sampling):
    """A rule that places the patches of one batch together, such as several in one case.

    For the sampler of `BatchSettings` and for `PatchTrainer.make_sampler`. Of a sampler that the plans name, the loop
    calls `draw` alone.
    """

    @abstractmethod
    def draw_in_batch(self, sample: int, rng: np.random.Generator, batch_rng: np.random.Generator) -> PatchPlace:
        """Return the place of one patch; it depends only on the arguments. Threads call it at the same time.

        Args:
            sample: the index of the patch in its batch, from 0 to the batch size - 1.
            rng: the source of randomness of this patch.
            batch_rng: a new generator that gives the same numbers for every patch of a batch.
        """

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        """Return the place of a patch without a batch; see `Sampling`."""
        return self.draw_in_batch(sample, rng, rng)


def _check_share(oversampling: float) -> None:
    if not 0 <= oversampling <= 1:
        raise ValueError(f"oversampling is {oversampling}; it must be from 0 to 1")


@dataclass(frozen=True)
class ForegroundSampling(Sampling):
    """nnU-Net's rule: cases are drawn uniformly; the last third of a batch is centred on foreground.

    Attributes:
        cases: the preprocessed cases.
        names: the cases to draw from.
        batch_size: samples per batch.
        oversampling: share of a batch that is centred on foreground.
        chance: probability of each sample to be centred on foreground, instead of the last ones; None for those.
        opened: patch centres of the cases that were already used.
    """

    cases: CaseStore
    names: tuple[str, ...]
    batch_size: int
    oversampling: float
    chance: float | None = None
    opened: dict[str, Candidates] = field(default_factory=dict, repr=False, compare=False)

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        """See `Sampling`.

        Raises:
            NnplugError: the case is stored without patch centres.
        """
        name = self.names[rng.integers(len(self.names))]
        if self.chance is None:
            forced = is_forced(sample, batch_size=self.batch_size, oversampling=self.oversampling)
        else:
            forced = bool(rng.random() < self.chance)
        if name not in self.opened:
            self.opened[name] = candidates(self.cases[name])
        centre = draw_centre(self.opened[name], forced=forced, rng=rng)
        return _place(name, centre)


@dataclass(frozen=True)
class BalancedSampling(Sampling):
    """The rule of `ClassBalanced` for some cases.

    Attributes:
        names: the cases to draw from.
        batch_size: samples per batch.
        oversampling: share of a batch that is centred on foreground.
        opened: case -> its patch centres.
        holders: index of a class or region -> the cases that have it, at least one.
    """

    names: tuple[str, ...]
    batch_size: int
    oversampling: float
    opened: Mapping[str, Candidates] = field(repr=False)
    holders: Mapping[int, tuple[str, ...]]

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        """See `Sampling`."""
        if self.holders and is_forced(sample, batch_size=self.batch_size, oversampling=self.oversampling):
            key = list(self.holders)[rng.integers(len(self.holders))]
            name = self.holders[key][rng.integers(len(self.holders[key]))]
            voxels = self.opened[name].foreground[key]
            return _place(name, voxels[int(rng.integers(len(voxels)))])
        name = self.names[rng.integers(len(self.names))]
        return _place(name, draw_centre(self.opened[name], forced=False, rng=rng))


def _place(name: str, centre: Voxel | None) -> PatchPlace:
    return PatchPlace(name, None if centre is None else tuple(int(voxel) for voxel in centre))
