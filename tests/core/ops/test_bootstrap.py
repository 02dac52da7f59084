import math

import numpy as np
import pytest
from scipy.stats import DegenerateDataWarning

from nnplug.ops import bootstrap
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


def test_the_same_seed_gives_the_same_interval():
    a, b = np.random.default_rng(3).random((2, 12, 2))
    assert paired_interval(a, b, seed=1) == paired_interval(a, b, seed=1) != paired_interval(a, b, seed=2)


def test_batches_of_draws_change_no_interval(monkeypatch):
    a, b = np.random.default_rng(3).random((2, 12, 2))
    whole = paired_interval(a, b, samples=1000)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 24 * 37)
    assert paired_interval(a, b, samples=1000) == whole


def test_one_case_has_its_difference():
    assert paired_interval(np.array([[0.5, 0.7]]), np.array([[0.4, 0.4]])) == pytest.approx((0.2, 0.2))


def test_draws_without_scores_are_left_out():
    a, b = np.full((6, 1), NAN), np.full((6, 1), NAN)
    a[:2], b[:2] = [[0.5], [0.7]], [[0.4], [0.4]]
    with pytest.warns(DegenerateDataWarning):  # scipy's interval, which is not used
        assert paired_interval(a, b) == pytest.approx((0.1, 0.3))
