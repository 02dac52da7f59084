"""Tables of Dice per class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnplug_cli.render import echo, print_table

if TYPE_CHECKING:
    from nnplug.dataset.labels import Labels
    from nnplug.selection.request import Selection


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
    """Return the summaries of folds as JSON values, without their cases."""
    return [
        {"configuration": c, "fold": f, "foreground_mean": s["foreground_mean"], "mean": s["mean"]}
        for (c, f), s in summaries.items()
    ]


def print_selection(labels: Labels, selection: Selection) -> None:
    """Print a row per candidate of a selection, and the Dice of the best before and after postprocessing."""
    rows = [
        (
            entry.name,
            *(_score(entry.dice_per_class[key]) for key in labels.keys),
            _score(entry.dice),
            *(() if entry.score is None else (_score(entry.score),)),
            "best" if entry.name == selection.best else f"{entry.difference:+.4f}",
            "" if entry.name == selection.best else f"{entry.interval[0]:+.4f} to {entry.interval[1]:+.4f}",
        )
        for entry in selection.entries
    ]
    decides = () if selection.metric is None else (selection.metric,)
    print_table(("Dice", *labels.foreground_names, "mean", *decides, "difference", "95 % interval"), rows)
    best = next(entry for entry in selection.entries if entry.name == selection.best)
    rule = f"{selection.rule.provider.name} {selection.rule.rule}"
    changes = [f"mean Dice {best.dice:.4f} -> {selection.dice_postprocessed:.4f}"]
    if best.score is not None and selection.score_postprocessed is not None:
        changes.append(f"mean {selection.metric} {best.score:.4f} -> {selection.score_postprocessed:.4f}")
    echo(", ".join((f"postprocessing: {rule}", *changes)))


def _score(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
