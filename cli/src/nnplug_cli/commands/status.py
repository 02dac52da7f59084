"""The command `nnplug status [WORKSPACE]`: show what is done, what runs where, and the time that is left."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug_cli.context import Context
from nnplug_cli.options import json_option
from nnplug_cli.render import counted, echo, print_json, print_table

if TYPE_CHECKING:
    from nnplug.pipeline.status import ConfigurationStatus, DatasetStatus, FoldStatus

COLUMNS = ("plans", "configuration", "preprocessed", "fold", "state", "epochs", "Dice", "left", "where")


@click.command(short_help="Show what is trained, what runs where, and the time left.")
@click.argument("workspace", required=False, type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def command(context: Context, *, workspace: Path | None, as_json: bool) -> None:
    """Show the datasets of WORKSPACE: configurations, folds with their epochs and Dice, what runs where, time left.

    WORKSPACE is the folder of all results [default: NNPLUG_WORKSPACE, else ./nnplug-work], or of one dataset in it.
    Only files are read, so the runs may be on other machines that share the folder. The Dice of a fold that is
    validated is the mean of its cases; before, it is the smoothed one of the last epoch, marked with ~. A running fold
    that wrote nothing for half an hour and three epochs is "silent": it may hang, or its machine may be down. A line
    below the table gives the error that ended a fold early.
    """
    from nnplug.pipeline.status import workspace_status

    found = workspace_status(context.workspace_root(workspace))
    if as_json:
        print_json([_data(dataset) for dataset in found])
    else:
        for number, dataset in enumerate(found):
            if number:
                echo()
            _print(dataset)
    for fault in (fault for dataset in found for fault in dataset.faults):
        context.progress.warning(fault)


def _data(dataset: DatasetStatus) -> dict[str, Any]:
    data = asdict(dataset)
    data["models"] = [str(model) for model in dataset.models]
    for configuration in data["configurations"]:
        for fold in configuration["folds"]:
            fold["scores"] = dict(fold["scores"])
    return data


def _print(dataset: DatasetStatus) -> None:
    cases = "folds not chosen yet" if dataset.cases is None else counted(dataset.cases, "case")
    echo(f"{dataset.name}: {cases}, {'measured' if dataset.has_fingerprint else 'not measured yet'}")
    rows = [row for configuration in dataset.configurations for row in _rows(configuration, dataset.cases)]
    if rows:
        print_table(COLUMNS, rows)
    for configuration in dataset.configurations:
        for fold in configuration.folds:
            if fold.failure is not None:
                echo(f"{configuration.plans} {configuration.name} fold {fold.fold} ended early: {fold.failure}")
    for model in dataset.models:
        echo(f"model: {model}")


def _rows(configuration: ConfigurationStatus, cases: int | None) -> list[tuple[str, ...]]:
    done = str(configuration.preprocessed) if cases is None else f"{configuration.preprocessed} of {cases}"
    names = (configuration.plans, configuration.name, done)
    return [(*names, *_cells(fold)) for fold in configuration.folds] or [(*names, "", "planned", "", "", "", "")]


def _cells(fold: FoldStatus) -> tuple[str, ...]:
    from nnplug_cli.progress.pace import duration

    epochs = f"{fold.epochs_done} of {fold.epochs}" if fold.epochs else str(fold.epochs_done or "")
    left = "" if fold.seconds_left is None else duration(fold.seconds_left)
    return fold.fold, _state(fold), epochs, _dice(fold), left, _where(fold)


def _state(fold: FoldStatus) -> str:
    from nnplug_cli.progress.pace import duration

    silent = f", silent for {duration(fold.idle_seconds)}" if fold.is_silent and fold.idle_seconds is not None else ""
    return fold.state + silent


def _where(fold: FoldStatus) -> str:
    """Return the process that works on a fold, or that was killed while it did."""
    holder = fold.holder or fold.killed
    if holder is None:
        return ""
    return f"{'killed: ' if fold.holder is None else ''}process {holder.process} on {holder.host}"


def _dice(fold: FoldStatus) -> str:
    validated = dict(fold.scores).get("Dice")
    if validated is not None:
        return f"{validated:.4f}"
    return "" if fold.smoothed_dice is None else f"~{fold.smoothed_dice:.4f}"
