"""Ranks of submissions on figures whose ranks can be told by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnplug.errors import NnplugError, Problems
from nnplug.evaluation.rank import rank_submissions
from nnplug.ops.ranking import mean_rank_intervals, rank

BRATS = {"Dice": "higher", "HD95": "lower"}


def summary(*cases, folder="r"):
    """A summary of one region per case, from pairs of Dice and HD95."""
    per_case = [
        {
            "metrics": {"(3,)": {"Dice": dice, "HD95": distance}},
            "prediction_file": f"p/{i}.nii.gz",
            "reference_file": f"{folder}/{i}.nii.gz",
        }
        for i, (dice, distance) in enumerate(cases)
    ]
    return {"metric_per_case": per_case}


def test_equal_ones_share_the_best_rank_and_nan_is_best():
    values = np.array([[0.9, 0.5, math.nan], [0.9, 0.7, 0.0], [0.1, 0.6, 1.0]])
    assert rank(values, higher_is_better=True).tolist() == [[1, 3, 1], [1, 1, 3], [3, 2, 2]]
    assert rank(values, higher_is_better=False).tolist() == [[2, 1, 1], [2, 3, 2], [1, 2, 3]]


def test_the_mean_of_all_ranks_decides():
    a = summary((0.9, 5.0), (0.8, 2.0))
    b = summary((0.7, 4.0), (0.8, 9.0))
    c = summary((0.1, 99.0), (0.9, 1.0), folder="elsewhere")
    standings = rank_submissions({"a": a, "b": b, "c": c}, BRATS)
    # a: 1 2 2 2, b: 2 1 2 3, c: 3 3 1 1
    assert [(s.name, s.mean_rank) for s in standings] == [("a", 1.75), ("b", 2.0), ("c", 2.0)]
    for standing in standings:
        assert standing.interval[0] <= standing.mean_rank <= standing.interval[1]


def test_intervals_are_those_of_the_mean_over_drawn_cases():
    rng = np.random.default_rng(0)
    ranks = rng.integers(1, 4, (2, 400)).astype(float)
    ends = mean_rank_intervals(ranks, samples=2000, level=0.95, rng=rng)
    error = 1.96 * ranks.std(1) / 20
    np.testing.assert_allclose(ends[:, 0], ranks.mean(1) - error, atol=0.02)
    np.testing.assert_allclose(ends[:, 1], ranks.mean(1) + error, atol=0.02)


def test_the_same_seed_gives_the_same_intervals():
    summaries = {"a": summary((0.9, 5.0), (0.2, 2.0)), "b": summary((0.7, 6.0), (0.8, 1.0))}
    assert rank_submissions(summaries, BRATS, seed=1) == rank_submissions(summaries, BRATS, seed=1)


def test_what_cannot_be_compared_is_told():
    with pytest.raises(NnplugError, match="give two or more different summaries"):
        rank_submissions({"a": summary((1, 0))}, BRATS)
    with pytest.raises(Problems) as error:
        rank_submissions({"a": summary((1, 0), (1, 0)), "b": summary((1, 0))}, BRATS)
    assert list(error.value.lines) == ["b: has no Dice and HD95 of (3,) in 1.nii.gz, by which submissions are ranked"]
    with pytest.raises(Problems, match="a: has no NSD of"):
        rank_submissions({"a": summary((1, 0)), "b": summary((1, 0))}, {"NSD": "higher"})
