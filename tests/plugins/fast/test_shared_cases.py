"""Patches of few cases: which samples share one, where they lie, and that draws depend on their place alone."""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.contracts import SamplingContext
from nnplug.preparation.case_index import Indexing, complete_index
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.runtime.seeds import generator
from nnplug.testing import samples
from nnplug_fast.shared_cases import SharedCases
from nnplug_nnunet.training.patch_centres import PatchCentres

NAMES = tuple("abcdefgh")


@pytest.fixture
def store(tmp_path):
    cases = samples.write_cases(tmp_path, names="".join(NAMES))
    indexing = Indexing(PatchCentres(), samples.LABELS)
    complete_index(cases, NAMES, indexing, executor=LocalExecutor(1), progress=Silent())
    return cases


def batch(store, number, *, cases, size, oversampling=0.5):
    """The places of a batch."""
    sampling = SharedCases(cases=cases, oversampling=oversampling).bind(
        SamplingContext(store, NAMES, samples.LABELS, size)
    )
    return [
        sampling.draw_in_batch(sample, generator(0, number, sample), generator(0, number, size))
        for sample in range(size)
    ]


def test_samples_share_cases_and_those_of_the_last_ones_lie_on_foreground(store):
    seen = set()
    for number in range(20):
        places = batch(store, number, cases=2, size=7)
        assert [len({place.case for place in part}) for part in (places[:4], places[4:])] == [1, 1]
        seen |= {place.case for place in places}
        assert [place.centre for place in places[:4]] == [None] * 4
        assert all(store[place.case].label[place.centre] > 0 for place in places[4:])
        assert len({place.centre for place in places[4:]}) > 1
    assert seen == set(NAMES)
    assert batch(store, 3, cases=2, size=7) == batch(store, 3, cases=2, size=7)


def test_with_one_case_per_batch_foreground_is_a_matter_of_chance(store):
    forced = []
    for number in range(100):
        places = batch(store, number, cases=1, size=3, oversampling=0.3)
        assert len({place.case for place in places}) == 1
        assert len({place.centre is None for place in places}) == 1
        forced.append(places[0].centre is not None)
    assert 0.15 < np.mean(forced) < 0.45
