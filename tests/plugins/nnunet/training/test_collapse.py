"""Which classes a training has not found: from the pseudo Dice of its epochs alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug_nnunet.training.collapse import FOUND, ClassSearch, epochs_to_wait

NAN = math.nan


def searched(*epochs):
    """The search after epochs of (dice, present)."""
    search = ClassSearch()
    for dice, present in epochs:
        search = search.after(dice, present)
    return search


def test_nothing_is_missing_before_the_first_validation():
    assert ClassSearch().missing(0) == ()


def test_a_class_that_stays_below_the_threshold_is_missing():
    search = searched(*[((0.5, 0.0), (True, True))] * 4, ((0.6, FOUND / 2), (True, True)))
    assert search == ClassSearch(validated=(5, 5), without=(0, 5), best=(0.0, FOUND / 2))
    assert search.missing(5) == (1,)
    assert search.missing(6) == ()


def test_a_class_of_a_new_network_that_is_found_by_chance_is_missing_later():
    by_chance = ((0.0, FOUND), (True, True))
    search = searched(by_chance, *[((0.0, 0.0), (True, True))] * 6)
    assert search.without == (7, 6)
    assert search.missing(6) == (0, 1)
    assert search.after((0.0, 0.5), (True, True)).missing(6) == (0,)


def test_the_end_also_tells_of_classes_that_a_short_training_never_found():
    nothing = ((0.0, 0.0), (True, True))
    assert searched(*[nothing] * 4).missing_at_end(16) == ()
    assert searched(*[nothing] * 5).missing_at_end(16) == (0, 1)
    assert searched(((0.0, 0.5), (True, True)), *[nothing] * 15).missing_at_end(16) == (0,)
    assert searched(((0.0, 0.5), (True, True)), *[nothing] * 16).missing_at_end(16) == (0, 1)


@pytest.mark.parametrize("dice", [NAN, 0.0])
def test_a_class_that_no_validation_patch_contains_is_not_missing(dice):
    """Its Dice is 0 where the network finds it by mistake."""
    search = searched(*[((dice, 0.0), (False, True))] * 9)
    assert search.validated == (0, 9)
    assert search.missing(1) == (1,)


@given(st.lists(st.lists(st.tuples(st.floats(0, 1) | st.just(NAN), st.booleans()), min_size=3, max_size=3), min_size=1))
def test_it_counts_as_a_loop_over_all_epochs_does(epochs):
    epochs = [[(0.0 if there and math.isnan(d) else d, there) for d, there in epoch] for epoch in epochs]
    search = searched(*[tuple(zip(*epoch, strict=True)) for epoch in epochs])
    for wanted in range(1, 4):
        expected = []
        for index in range(3):
            scores = [epoch[index][0] for epoch in epochs if epoch[index][1]]
            if len(scores) >= wanted and all(score < FOUND for score in scores[-wanted:]):
                expected.append(index)
        assert search.missing(wanted) == tuple(expected)


@pytest.mark.parametrize(
    ("epochs", "iterations", "wait"),
    [(1000, 250, 50), (48, 25, 24), (10, 25, 24), (100, 250, 5), (20, 1000, 5), (250, 250, 13)],
)
def test_the_wait_is_a_share_of_the_epochs_and_600_iterations_at_least(epochs, iterations, wait):
    assert epochs_to_wait(epochs, iterations) == wait


def test_the_epochs_of_a_rescue_begin_after_the_notice():
    search = ClassSearch(noticed=5, rescue_end=7)
    assert [search.rescues(epoch) for epoch in range(4, 9)] == [False, True, True, False, False]
    assert not ClassSearch(noticed=5).rescues(5)
    assert not ClassSearch().rescues(0)
