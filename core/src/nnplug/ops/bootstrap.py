"""Bootstrap intervals of the difference between two methods that were scored on the same cases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]

SAMPLES = 10_000
LEVEL = 0.95


def mean_score(scores: Scores) -> float:
    """The mean over classes of the mean over cases, as summaries have it.

    Args:
        scores: (cases, classes); NaN, where a class is neither in the reference nor predicted, counts for nothing.
    """
    return float(_means(scores, np.ones((1, len(scores))))[0])


def paired_interval(
    a: Scores, b: Scores, *, samples: int = SAMPLES, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of `mean_score(a) - mean_score(b)`.

    Cases are drawn with replacement, the same for both: what makes a case easy or hard cancels out.

    Args:
        a: (cases, classes), NaN as in `mean_score`.
        b: of the same cases and classes.
        samples: how often as many cases are drawn as there are.
        level: the share of differences that lies in the interval.
        seed: of the draws.

    Returns:
        Lower and upper end; NaN where no draw has scores.
    """
    cases = len(a)
    drawn = np.random.default_rng(seed).multinomial(cases, np.full(cases, 1 / cases), size=samples).astype(np.float64)
    difference = _means(a, drawn) - _means(b, drawn)
    tail = (1 - level) / 2
    low, high = np.nanquantile(difference, [tail, 1 - tail]) if not np.isnan(difference).all() else (np.nan, np.nan)
    return float(low), float(high)


def _means(scores: Scores, drawn: Scores) -> Scores:
    """The mean score for each row of how often every case was drawn."""
    there = ~np.isnan(scores)
    sums, counts = drawn @ np.where(there, scores, 0), drawn @ there.astype(np.float64)
    per_class = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    known = ~np.isnan(per_class)
    totals, number = np.where(known, per_class, 0).sum(1), known.sum(1)
    means: Scores = np.divide(totals, number, out=np.full(len(totals), np.nan), where=number > 0)
    return means
