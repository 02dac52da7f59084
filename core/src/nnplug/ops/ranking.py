"""Ranks of submissions for each case."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Ranks = npt.NDArray[np.float64]


def rank(values: npt.NDArray[np.float64], *, higher_is_better: bool) -> Ranks:
    """Return the rank of each submission in every column: 1 is the best, equal values share the best of their ranks.

    Args:
        values: (submissions, n) float64, such as the Dice of n cases. NaN (nothing to measure) counts as best.
        higher_is_better: whether larger values are better.

    Returns:
        (submissions, n) float64, ranks from 1 on.
    """
    losses = -values if higher_is_better else values
    ranks: Ranks = rankdata(np.where(np.isnan(losses), -np.inf, losses), method="min", axis=0).astype(np.float64)
    return ranks


def mean_rank_intervals(ranks: Ranks, *, samples: int, level: float, rng: np.random.Generator) -> Ranks:
    """Return bootstrap intervals of the mean rank: cases are drawn with replacement.

    Args:
        ranks: (submissions, cases), the mean rank of each submission in each case.
        samples: the number of draws.
        level: the share of draws within the interval, such as 0.95.
        rng: the source of randomness.

    Returns:
        (submissions, 2) float64, lower and upper ends.
    """
    cases = ranks.shape[1]
    means = np.stack([ranks[:, rng.integers(cases, size=cases)].mean(1) for _ in range(samples)])
    ends: Ranks = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0).T
    return ends
