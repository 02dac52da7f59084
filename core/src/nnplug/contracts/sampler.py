"""Samplers: where training patches come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from nnplug.dataset.labels import Labels
    from nnplug.workspace.case_store import CaseStore


@dataclass(frozen=True)
class PatchPlace:
    """The place of a patch.

    Attributes:
        case: the name of the case.
        centre: the voxel (z, y, x) of the preprocessed case that the patch is centred on; None for any place, which the
            trainer draws.
    """

    case: str
    centre: tuple[int, ...] | None = None


@dataclass(frozen=True)
class SamplingContext:
    """The cases to draw from.

    Attributes:
        cases: the preprocessed cases, with the index that the sampler's entry names.
        names: the names of the cases to draw from: those of the training, or of its validation.
        labels: classes or regions, and the ignore label.
        batch_size: patches per batch, of all devices together.
    """

    cases: CaseStore
    names: tuple[str, ...]
    labels: Labels
    batch_size: int


class Sampling(Protocol):
    """A rule that places patches in the cases of a training. Threads call it at the same time."""

    def draw(self, sample: int, rng: np.random.Generator) -> PatchPlace:
        """Return the place of one patch; it depends only on the arguments.

        Args:
            sample: the index of the patch in its batch, from 0 to the batch size - 1.
            rng: the only source of randomness. The trainer makes it from seed, epoch, iteration and sample, so that
                places are equal for any number of workers, and after a resume.
        """
        ...


class Sampler(Protocol):
    """A component that chooses case and centre of every patch.

    Trainers whose entry has `takes_sampler=True` use the sampler that the plans name. `case_index` of its own entry
    names a `CaseIndexer`; every case then has this index.
    """

    def bind(self, context: SamplingContext) -> Sampling:
        """Return the rule for these cases.

        Raises:
            NnplugError: the sampler cannot draw from them.
        """
        ...
