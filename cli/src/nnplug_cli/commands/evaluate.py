"""The command `nnplug evaluate`: score label maps against references."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.errors import Problems
from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug_cli.choices import Compared, Written
from nnplug_cli.context import Context
from nnplug_cli.names import ComponentName
from nnplug_cli.next_step import print_command, print_made
from nnplug_cli.options import compared_options, gathered, json_option, replace_option, set_option_of, workers_option
from nnplug_cli.process import prepares_process
from nnplug_cli.render import print_json, print_table

if TYPE_CHECKING:
    from nnplug.dataset.description import DatasetDescription

_path = click.Path(path_type=Path)

IN_THE_FILE_ONLY = ("TN", "n_pred", "n_ref")
"""Scores that follow from the others and are not printed."""
COUNTS = 100
"""Scores from this value on are printed with one decimal."""


@click.command(short_help="Score predictions against references.")
@compared_options(
    click.option("--dataset-json", type=_path, help="Labels and regions [default: the one beside the predictions].")
)
@gathered(
    "written",
    Written,
    click.option(
        "-o",
        "--output",
        required=True,
        type=_path,
        help="The summary, in the layout of nnU-Net's summary.json; null for NaN.",
    ),
)
@click.option(
    "--metrics",
    "names",
    type=ComponentName(Kind.METRIC),
    multiple=True,
    default=["overlap"],
    show_default=True,
    help="A metric (nnplug components metric lists them); repeatable.",
)
@click.option("--partial", is_flag=True, help="Leave out references without a prediction.")
@replace_option
@set_option_of(Kind.METRIC)
@workers_option
@json_option
@click.pass_obj
@prepares_process(Work.READ_IMAGES)
def command(
    context: Context,
    *,
    compared: Compared,
    written: Written,
    names: tuple[str, ...],
    partial: bool,
    overrides: dict[str, dict[str, Any]],
    workers: int | None,
    as_json: bool,
) -> None:
    """Score predictions against references, per case, class and region.

    The default scores are Dice, IoU and voxel counts. --set metric.KEY=VALUE sets an option of a metric, such as
    metric.tolerance=2. Without a dataset.json every label value that occurs is a class.
    """
    from nnplug.evaluation.summary import undefined_classes
    from nnplug.runtime.executor import LocalExecutor
    from nnplug.steps.scoring import ScoredFolders, ScoreFile, Scoring, score_folder

    folders = ScoredFolders(compared.references, compared.predictions, compared.dataset_json)
    how = Scoring(names, overrides.get(Kind.METRIC, {}), partial=partial)
    target = ScoreFile(written.output, replace=written.replace)
    scores = score_folder(folders, how, target, context.runtime_with(LocalExecutor(workers)))
    titles = _class_names(scores.description)
    if as_json:
        print_json(scores.summary)
    else:
        _print(scores.summary, titles)
        print_made("summary", written.output)
        seen = ("-l", compared.references, "-l", compared.predictions)
        print_command("overlay", "-i", "IMAGES", *seen, "-o", "PICTURES")
    for key in undefined_classes(scores.summary):
        context.progress.warning(f"{titles.get(key, key)!r} has no value in any case; it is left out of the mean")
    if scores.failures:
        raise Problems(scores.failures)


def _class_names(description: DatasetDescription | None) -> dict[str, str]:
    """Return the key of each class in the summary -> its name; nothing without a description."""
    if description is None:
        return {}
    return dict(zip(description.labels.keys, description.labels.foreground_names, strict=True))


def _print(summary: dict[str, Any], names: dict[str, str]) -> None:
    """Print a line per class and one for the mean; values are means over the cases."""
    columns = [figure for figure in summary["foreground_mean"] if figure not in IN_THE_FILE_ONLY]
    rows = [*((names.get(key, key), figures) for key, figures in summary["mean"].items())]
    cells = [
        (name, *(_cell(figures.get(column)) for column in columns))
        for name, figures in [*rows, ("mean", summary["foreground_mean"])]
    ]
    print_table(("class", *columns), cells)


def _cell(value: float | None) -> str:
    """Return the text of a value: shares and distances with four decimals, counts with one."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.4f}" if abs(value) < COUNTS else f"{value:.1f}"
