import math

import numpy as np
import pytest

from nnplug.ops.bootstrap import mean_score, paired_interval

NAN = float("nan")


def test_the_mean_is_over_cases_first_and_leaves_out_what_is_not_there():
    assert mean_score(np.array([[1.0, 0.5], [0.5, NAN]])) == pytest.approx((0.75 + 0.5) / 2)
    assert math.isnan(mean_score(np.array([[NAN], [NAN]])))


def test_a_shift_of_all_cases_is_certain():
    scores = np.random.default_rng(0).random((20, 3))
    low, high = paired_interval(scores - 0.1, scores)
    assert (low, high) == pytest.approx((-0.1, -0.1))


def test_the_interval_is_that_of_the_normal_distribution_for_many_cases():
    rng = np.random.default_rng(1)
    base = rng.random((400, 1))
    difference = rng.normal(0.02, 0.1, (400, 1))
    low, high = paired_interval(base + difference, base)
    half = 1.96 * difference.std() / math.sqrt(400)
    assert (low, high) == pytest.approx((difference.mean() - half, difference.mean() + half), abs=0.001)


def test_pairs_make_it_narrower_than_their_own_spread():
    rng = np.random.default_rng(2)
    hard = rng.random((50, 2))
    low, high = paired_interval(hard + rng.normal(0, 0.01, hard.shape), hard)
    assert high - low < 0.01 < hard.std() / math.sqrt(50)


def test_classes_that_are_missing_in_many_cases_count_where_they_are():
    a, b = np.full((30, 2), 0.5), np.full((30, 2), 0.4)
    a[:29, 1] = b[:29, 1] = NAN
    assert paired_interval(a, b) == pytest.approx((0.1, 0.1))
    assert np.isnan(paired_interval(a * NAN, b)).all()
