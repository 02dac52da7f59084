"""The checks of `nnplug.contracts.Sampler`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from nnplug.contracts import PatchPlace, Sampler, Sampling, SamplingContext
from nnplug.contracts.kinds import SamplerEntry
from nnplug.preparation.case_index import complete_index, indexing_of
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.runtime.seeds import generator
from nnplug.testing import samples
from nnplug.testing.check import Checks, Subject, require
from nnplug.testing.samples import Image, Label
from nnplug.testing.trainings import Make
from nnplug.workspace.case_store import CaseStore

BATCH, DRAWS = 4, 40
NAMES = "abc"


def _places(subject: Subject) -> None:
    """Raise unless each place is a case that the sampler was given, and a voxel of it."""
    with _context(subject) as context:
        for place in _drawn(_bound(subject, context)):
            require(isinstance(place, PatchPlace), f"draw gave {type(place).__name__} instead of PatchPlace")
            given = f"it was given {', '.join(context.names)}"
            require(place.case in context.names, f"draw gave the case {place.case!r}; {given}")
            centre, shape = place.centre, context.cases[place.case].label.shape
            inside = centre is None or (
                len(centre) == 3 and all(0 <= c < n for c, n in zip(centre, shape, strict=True))
            )
            require(inside, f"draw gave the centre {centre} in a case of {shape} voxels")


def _keeps_apart(subject: Subject) -> None:
    """Raise unless a sampler that is bound to the validation cases draws from them alone."""
    with _context(subject, names=("c",)) as context:
        others = {place.case for place in _drawn(_bound(subject, context))} - {"c"}
    require(not others, f"with the case 'c' alone, draw gave {', '.join(sorted(others))}")


def _follows_rng(subject: Subject) -> None:
    """Raise unless places depend on the generator alone, whatever was drawn before and in whichever thread."""
    with _context(subject) as context:
        first, again = _bound(subject, context), _bound(subject, context)
        plain = _drawn(first)
        require(plain == _drawn(again), "two samplers with the same generators gave other places")
        require(plain == list(reversed(_drawn(again, backwards=True))), "the order of the calls changed the places")
        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(lambda number: _draw(first, number), range(DRAWS)))
        require(plain == together, "calls from several threads gave other places")
    require(len({place.case for place in plain}) > 1, f"{DRAWS} generators gave the case {plain[0].case!r} each time")


def _empty(subject: Subject) -> None:
    """Raise if a sampler fails for cases without foreground."""
    with _context(subject, make=_without_foreground) as context:
        for place in _drawn(_bound(subject, context)):
            require(place.case in context.names, f"without foreground draw gave the case {place.case!r}")


def _without_foreground(seed: int) -> tuple[Image, Label]:
    image, label = samples.volume(seed)
    return image, np.minimum(label, 0).astype(np.int16)


def _bound(subject: Subject, context: SamplingContext) -> Sampling:
    sampler: Sampler = subject.create()
    return sampler.bind(context)


def _drawn(sampling: Sampling, *, backwards: bool = False) -> list[PatchPlace]:
    numbers = range(DRAWS)
    return [_draw(sampling, number) for number in (reversed(numbers) if backwards else numbers)]


def _draw(sampling: Sampling, number: int) -> PatchPlace:
    iteration, sample = divmod(number, BATCH)
    return sampling.draw(sample, generator(0, iteration, sample))


@contextmanager
def _context(
    subject: Subject, *, names: tuple[str, ...] = tuple(NAMES), make: Make = samples.volume
) -> Iterator[SamplingContext]:
    """Give stored cases with the index that the sampler's entry names."""
    with TemporaryDirectory() as folder:
        store: CaseStore = samples.write_cases(Path(folder), make=make, names=NAMES)
        indexing = indexing_of(cast("SamplerEntry", subject.entry), samples.LABELS)
        if indexing is not None:
            complete_index(store, NAMES, indexing, executor=LocalExecutor(1), progress=Silent())
        yield SamplingContext(store, names, samples.LABELS, BATCH)


CHECKS: Checks = {
    "places patches in its cases": _places,
    "draws from the cases that it was given": _keeps_apart,
    "draws from the rng alone": _follows_rng,
    "takes cases without foreground": _empty,
}
