import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug.ops.metrics import OVERLAP_METRICS, confusion, mean_metrics, overlap


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 3]))
def test_counts_are_those_of_masks(seed, ignore):
    rng = np.random.default_rng(seed)
    reference, prediction = rng.integers(0, 5, (2, 3, 4, 5)).astype(np.int16)
    values = (0, 1, 2)
    counts = confusion(reference, prediction, values, ignore=ignore)
    counted = np.ones_like(reference, bool) if ignore is None else reference != ignore
    for region in [(1,), (2,), (1, 2)]:
        ours = overlap(counts, values, region)
        r, p = np.isin(reference, region)[counted], np.isin(prediction, region)[counted]
        expected = {"TP": r & p, "FP": p & ~r, "FN": r & ~p, "TN": ~r & ~p, "n_pred": p, "n_ref": r}
        assert {k: ours[k] for k in expected} == {k: int(v.sum()) for k, v in expected.items()}
        if (r | p).any():
            assert ours["Dice"] == 2 * (r & p).sum() / (r.sum() + p.sum())
            assert ours["IoU"] == (r & p).sum() / (r | p).sum()


def test_a_class_that_is_nowhere_has_no_dice():
    counts = confusion(np.zeros(4, np.int16), np.zeros(4, np.int16), (0, 1))
    row = overlap(counts, (0, 1), (1,))
    assert tuple(row) == OVERLAP_METRICS
    assert math.isnan(row["Dice"])
    assert math.isnan(row["IoU"])
    assert row["TN"] == 4


def test_values_need_not_be_consecutive_and_others_are_counted_apart():
    counts = confusion(np.array([0, 7, 9]), np.array([7, 7, -1]), (0, 7))
    assert counts.tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_an_ignored_image_counts_nothing():
    assert confusion(np.full(3, 2), np.ones(3, int), (0, 1), ignore=2).sum() == 0


@pytest.mark.parametrize(("skip_nan", "expected"), [(True, 0.5), (False, math.nan)])
def test_means_over_cases_skip_nan_and_over_classes_do_not(skip_nan, expected):
    rows = [dict.fromkeys(OVERLAP_METRICS, value) for value in (0.5, math.nan)]
    assert mean_metrics(rows, skip_nan=skip_nan)["Dice"] == pytest.approx(expected, nan_ok=True)


def test_the_mean_of_nan_only_is_nan():
    assert math.isnan(mean_metrics([dict.fromkeys(OVERLAP_METRICS, math.nan)], skip_nan=True)["Dice"])
