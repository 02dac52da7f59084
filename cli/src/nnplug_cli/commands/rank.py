"""The command `nnplug rank`: rank submissions against each other, case by case."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from nnplug.registry.components import Kind
from nnplug_cli.context import Context
from nnplug_cli.names import ComponentName
from nnplug_cli.next_step import print_made
from nnplug_cli.options import json_option, seed_option
from nnplug_cli.render import print_json, print_table


@click.command(short_help="Rank submissions by their summaries.")
@click.argument("summaries", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--metrics",
    "names",
    type=ComponentName(Kind.METRIC),
    multiple=True,
    default=["overlap"],
    show_default=True,
    help="A metric of the summaries, which defines the better direction of its scores; repeatable.",
)
@click.option("--samples", type=click.IntRange(min=1), default=1000, show_default=True, help="Bootstrap samples.")
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Coverage of the intervals.",
)
@seed_option
@json_option
@click.pass_obj
def command(
    context: Context,
    *,
    summaries: tuple[Path, ...],
    names: tuple[str, ...],
    samples: int,
    level: float,
    seed: int,
    as_json: bool,
) -> None:
    """Rank submissions; each is a summary that `nnplug evaluate` wrote for the same cases.

    They are ranked for every case, class or region and score (Dice for overlap, Dice and HD95 for brats); ties share
    the best rank. The order is that of the mean of all ranks. Intervals come from drawing cases with replacement.
    """
    from nnplug.evaluation.metrics import make_metrics
    from nnplug.evaluation.rank import rank_submissions
    from nnplug.evaluation.summary import read_summary

    metrics = make_metrics(names, {}, context.plugins.registry)
    ranked = {figure: better for metric in metrics for figure, better in metric.ranked.items()}
    standings = rank_submissions(
        {str(path): read_summary(path) for path in summaries}, ranked, samples=samples, level=level, seed=seed
    )
    if as_json:
        print_json([asdict(standing) for standing in standings])
        return
    rows = [
        (str(place), s.name, f"{s.mean_rank:.3f}", "{:.3f} - {:.3f}".format(*s.interval))
        for place, s in enumerate(standings, start=1)
    ]
    print_table(("place", "submission", "mean rank", f"{level:.0%} interval"), rows)
    for standing in standings:
        if standing.mean_rank == standings[0].mean_rank:
            print_made("best", standing.name)
