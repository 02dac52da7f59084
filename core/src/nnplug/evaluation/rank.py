"""Rank submissions as in the BraTS challenge: per case, region and figure, then on average."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnplug.errors import NnplugError, Problems
from nnplug.ops.ranking import mean_rank_intervals, rank
from nnplug.runtime.seeds import generator

if TYPE_CHECKING:
    import numpy.typing as npt

    from nnplug.contracts import Better
    from nnplug.evaluation.summary import Summary

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Case -> class or region -> figure -> value."""


@dataclass(frozen=True)
class RankedSubmission:
    """A submission with its mean rank.

    Attributes:
        name: the name of the submission.
        mean_rank: the mean over cases, regions and figures; 1 is the best possible.
        interval: the bootstrap interval of the mean rank over draws of cases.
    """

    name: str
    mean_rank: float
    interval: tuple[float, float]


def rank_submissions(
    summaries: Mapping[str, Summary],
    ranked: Mapping[str, Better],
    *,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[RankedSubmission]:
    """Return submissions ranked for every case, class or region, and figure; equal ones share the best of their ranks.

    Args:
        summaries: name of the submission -> its summary; two or more, of the same cases.
        ranked: figure -> its better values, from the metrics.
        samples: the number of draws of cases for the intervals.
        level: the share of draws within the intervals, such as 0.95.
        seed: the seed of the draws.

    Returns:
        The submissions, best first.

    Raises:
        NnplugError: there are fewer than two submissions.
        Problems: submissions lack cases, regions or figures that others have, a line each.
    """
    if len(summaries) < 2:
        raise NnplugError("ranking compares submissions; give two or more different summaries")
    scores = {name: _scores(summary) for name, summary in summaries.items()}
    if problems := list(_differences(scores, ranked)):
        raise Problems(problems)
    per_case = _case_ranks(scores, ranked)
    intervals = mean_rank_intervals(per_case, samples=samples, level=level, rng=generator(seed))
    standings = [
        RankedSubmission(name, float(ranks.mean()), (float(low), float(high)))
        for name, ranks, (low, high) in zip(scores, per_case, intervals, strict=True)
    ]
    return sorted(standings, key=lambda standing: standing.mean_rank)


def _scores(summary: Summary) -> Scores:
    """Return the figures by the name of the reference file, which is equal for all submissions."""
    return {Path(case["reference_file"]).name: case["metrics"] for case in summary["metric_per_case"]}


def _differences(scores: Mapping[str, Scores], ranked: Mapping[str, Better]) -> Iterator[str]:
    wanted = sorted({(case, key) for each in scores.values() for case, keys in each.items() for key in keys})
    for name, each in scores.items():
        for case, key in wanted:
            figures: Mapping[str, Any] = each.get(case, {}).get(key, {})
            if missing := [figure for figure in ranked if figure not in figures]:
                yield f"{name}: has no {' and '.join(missing)} of {key} in {case}, by which submissions are ranked"


def _case_ranks(scores: Mapping[str, Scores], ranked: Mapping[str, Better]) -> npt.NDArray[np.float64]:
    """Return (submissions, cases) float64: the mean rank of a case over regions and figures."""
    first = next(iter(scores.values()))
    ranks = []
    for case, keys in first.items():
        values = {
            (key, figure): np.array([[each[case][key][figure]] for each in scores.values()], np.float64)
            for key in keys
            for figure in ranked
        }
        own = [rank(column, higher_is_better=ranked[figure] == "higher") for (_, figure), column in values.items()]
        ranks.append(np.mean(own, axis=0))
    return np.concatenate(ranks, axis=1)
