"""`nnplug evaluate`: label maps scored against references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nnplug_cli.context import Context
from nnplug_cli.options import json_option, workers_option
from nnplug_cli.render import print_json, print_table

_path = click.Path(path_type=Path)


@click.command(short_help="Score predictions against references.")
@click.option("-r", "--references", required=True, type=_path, help="A folder of label maps.")
@click.option("-p", "--predictions", required=True, type=_path, help="A folder of label maps of the same names.")
@click.option("--dataset-json", type=_path, help="Labels and regions [default: the one beside the predictions].")
@click.option("-o", "--output", required=True, type=_path, help="The summary, in the layout of nnU-Net's summary.json.")
@click.option("--partial", is_flag=True, help="Leave out references that have no prediction.")
@workers_option
@json_option
@click.pass_obj
def command(
    context: Context,
    *,
    references: Path,
    predictions: Path,
    dataset_json: Path | None,
    output: Path,
    partial: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Score predictions against references: Dice, IoU and voxel counts per case, class and region.

    Without a dataset.json every label value that occurs is a class.
    """
    from nnplug.runtime.executor import LocalExecutor
    from nnplug.runtime.files import write_json
    from nnplug.stages.evaluate import evaluate, find_description

    description = find_description(dataset_json, predictions)
    summary = evaluate(
        references,
        predictions,
        description,
        executor=LocalExecutor(workers),
        progress=context.progress,
        partial=partial,
    )
    write_json(output, summary)
    if as_json:
        print_json(summary)
    else:
        labels = None if description is None else description.labels
        _print(summary, {} if labels is None else dict(zip(labels.keys, labels.foreground_names, strict=True)))


def _print(summary: dict[str, Any], names: dict[str, str]) -> None:
    """A line per class and one for the mean; means over the cases."""
    rows = [(names.get(key, key), metrics) for key, metrics in summary["mean"].items()]
    cells = [
        (name, *(f"{m[what]:.4f}" for what in ("Dice", "IoU")), *(f"{m[what]:.1f}" for what in ("TP", "FP", "FN")))
        for name, m in [*rows, ("mean", summary["foreground_mean"])]
    ]
    print_table(("class", "Dice", "IoU", "TP", "FP", "FN"), cells)
