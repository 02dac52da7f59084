"""Ranks of submissions, case by case."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Ranks = npt.NDArray[np.float64]


def rank(values: npt.NDArray[np.float64], *, higher_is_better: bool) -> Ranks:
    """Rank submissions in every column: 1 for the best, equal ones share the best of their ranks.

    Args:
        values: (submissions, n) figures, such as the Dice of n cases; NaN (nothing to measure) counts as best.
        higher_is_better: whether large values win.
    """
    losses = -values if higher_is_better else values
    ranks: Ranks = rankdata(np.where(np.isnan(losses), -np.inf, losses), method="min", axis=0).astype(np.float64)
    return ranks


def mean_rank_intervals(ranks: Ranks, *, samples: int, level: float, rng: np.random.Generator) -> Ranks:
    """Bootstrap intervals of the mean rank: cases are drawn with replacement.

    Args:
        ranks: (submissions, cases), each case's mean rank.
        samples: how often cases are drawn.
        level: share of the samples within the interval, such as 0.95.
        rng: the source of randomness.

    Returns:
        (submissions, 2), lower and upper ends.
    """
    cases = ranks.shape[1]
    means = np.stack([ranks[:, rng.integers(cases, size=cases)].mean(1) for _ in range(samples)])
    ends: Ranks = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0).T
    return ends
