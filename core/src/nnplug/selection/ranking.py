"""The figure by which a selection ranks candidates, of any metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from nnplug.contracts import RankedFigure
from nnplug.errors import InvalidOptions, did_you_mean
from nnplug.evaluation.metrics import make_metrics
from nnplug.ops.bootstrap import mean_score
from nnplug.registry.components import Registry

if TYPE_CHECKING:
    from nnplug.evaluation.summary import Summary


class Ranking(RankedFigure):
    """A figure of a metric, found by its name."""

    @classmethod
    def of(cls, name: str, registry: Registry) -> Self:
        """Return the ranking by "METRIC.FIGURE", or by "METRIC": the first figure that the metric ranks.

        Raises:
            UnknownComponent, AmbiguousComponent: as in `Registry.get`.
            InvalidOptions: the metric does not rank this figure, or none.
        """
        word, _, figure = name.partition(".")
        (metric,) = make_metrics((word,), {}, registry)
        ranked = metric.ranked
        if not ranked:
            raise InvalidOptions(f"metric {word!r} ranks no figure, so it cannot select")
        chosen = figure or next(iter(ranked))
        if chosen not in ranked:
            hint = did_you_mean(chosen, ranked, f"It ranks {', '.join(ranked)}.")
            raise InvalidOptions(f"metric {word!r} ranks no figure {chosen!r}. {hint}")
        return cls(metric, f"{word}.{chosen}", chosen, 1 if ranked[chosen] == "higher" else -1)


def figures_of(summary: Summary, keys: Sequence[str], figure: str) -> npt.NDArray[np.float64]:
    """Return a figure (cases, classes) float64 of a summary; cases are in the order of their files' names."""
    rows = sorted(summary["metric_per_case"], key=lambda case: Path(case["prediction_file"]).name)
    return np.array([[case["metrics"][key][figure] for key in keys] for case in rows], np.float64)


def score_of(values: npt.NDArray[np.float64], ranking: Ranking | None) -> float:
    """Return the mean over cases and classes, with the sign of the metric, of signed figures (cases, classes)."""
    return mean_score(values if ranking is None else ranking.sign * values)
