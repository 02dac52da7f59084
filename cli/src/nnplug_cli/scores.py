"""Summaries as a table of Dice per class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnplug_cli.render import print_table

if TYPE_CHECKING:
    from nnplug.data.labels import Labels


def print_scores(labels: Labels, summaries: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a row per summary: its title, the Dice of each foreground class or region, and their mean."""
    if not summaries:
        return
    rows = [
        (
            title,
            *(_score(summary["mean"][key]["Dice"]) for key in labels.keys),
            _score(summary["foreground_mean"]["Dice"]),
        )
        for title, summary in summaries.items()
    ]
    print_table(("Dice", *labels.foreground_names, "mean"), rows)


def scores_data(summaries: Mapping[tuple[str, int | str], Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The summaries of folds as JSON, without their cases."""
    return [
        {"configuration": c, "fold": f, "foreground_mean": s["foreground_mean"], "mean": s["mean"]}
        for (c, f), s in summaries.items()
    ]


def _score(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
