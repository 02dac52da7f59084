"""Bootstrap intervals of the difference between two methods that were scored on the same cases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]

SAMPLES = 10_000
LEVEL = 0.95
_AT_ONCE = 2**22
"""Drawn scores that are held in memory at once."""


def mean_score(scores: Scores) -> float:
    """Return the mean over classes of the mean over cases, as in `summary.json`.

    Args:
        scores: (cases, classes). NaN (a class is neither in the reference nor in the prediction) is left out.
    """
    return float(_means(scores.T))


def paired_interval(
    a: Scores, b: Scores, *, samples: int = SAMPLES, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of `mean_score(a) - mean_score(b)`.

    Cases are drawn with replacement. Each draw takes the same cases of both methods, so that the difficulty of a case
    cancels out.

    Args:
        a: (cases, classes), NaN as in `mean_score`.
        b: (cases, classes), the same cases and classes as `a`.
        samples: the number of draws. Each draws as many cases as there are.
        level: the share of differences that lies in the interval, such as 0.95.
        seed: the seed of the draws.

    Returns:
        The lower and the upper end. Draws without any score are left out. With a single case both ends are the
        difference itself; if a or b has no scores, both ends are NaN.
    """
    from scipy.stats import bootstrap  # here, because its import takes longer than preprocessing a small dataset

    difference = mean_score(a) - mean_score(b)
    if len(a) < 2 or np.isnan(difference):
        return difference, difference
    drawn = bootstrap(
        (a.T, b.T),
        _difference,
        paired=True,
        vectorized=True,
        axis=-1,
        n_resamples=samples,
        batch=max(_AT_ONCE // a.size, 1),
        method="percentile",
        rng=seed,
    ).bootstrap_distribution
    tail = (1 - level) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])  # scipy's own interval is NaN if a single draw is
    return float(low), float(high)


def _difference(a: Scores, b: Scores, axis: int) -> Scores:  # noqa: ARG001 - scipy's signature; it is always the last
    return _means(a) - _means(b)


def _means(scores: Scores) -> Scores:
    """Return the mean over classes of the mean over cases: (draws,) from (classes, draws, cases)."""
    return _mean(_mean(scores, axis=-1), axis=0)


def _mean(values: Scores, axis: int) -> Scores:
    """Return numpy's nanmean, without its warning when all values are NaN."""
    there = ~np.isnan(values)
    sums, counts = np.where(there, values, 0).sum(axis), there.sum(axis)
    means: Scores = np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts > 0)
    return means
