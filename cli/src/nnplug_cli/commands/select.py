"""`nnplug select DATASET`: the best configuration or ensemble, as a model that predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from nnplug.registry.components import Kind
from nnplug_cli.context import Context
from nnplug_cli.options import (
    configuration_option,
    dataset_argument,
    device_option,
    executor_option,
    fold_option,
    json_option,
    replace_option,
    set_option_of,
    workers_option,
    workspace_option,
)
from nnplug_cli.render import print_json
from nnplug_cli.scores import predicting, print_selection


@click.command(short_help="Choose the best configuration or ensemble.")
@dataset_argument
@workspace_option
@configuration_option
@fold_option
@click.option("--name", "plans", multiple=True, metavar="NAME", help="Which plans; repeatable [default: nnunet].")
@click.option(
    "--weights",
    type=click.Choice(["final", "best"]),
    default="final",
    show_default=True,
    help="Which weights of each training.",
)
@click.option("--no-ensembles", is_flag=True, help="Compare single configurations only.")
@click.option("--keep-logits", is_flag=True, help="Keep probabilities that had to be computed again.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The bundle, a folder or a file that ends in .zip [default: model/selected in the workspace].",
)
@replace_option
@device_option
@executor_option
@set_option_of(Kind.EXECUTOR)
@workers_option
@json_option
@click.pass_obj
def command(
    context: Context,
    *,
    dataset: Path,
    workspace: Path | None,
    configurations: tuple[str, ...],
    folds: tuple[int | str, ...],
    plans: tuple[str, ...],
    weights: Literal["final", "best"],
    no_ensembles: bool,
    keep_logits: bool,
    output: Path | None,
    replace: bool,
    device: str,
    executor: str,
    overrides: dict[str, dict[str, Any]],
    workers: int | None,
    as_json: bool,
) -> None:
    """Compare the cross-validated configurations of DATASET and all ensembles of two by their mean foreground Dice.

    Postprocessing is fitted on the winner, and one bundle predicts with all of it. Without -c every configuration
    takes part whose folds are all trained. The interval of a difference is a bootstrap over cases, at 95 %.
    """
    from nnplug.dataset.dataset import Dataset
    from nnplug.selection.request import SelectRequest
    from nnplug.selection.select import select
    from nnplug.workspace.layout import Workspace

    numbers = tuple(fold for fold in folds if isinstance(fold, int))
    if len(numbers) < len(folds):
        raise click.UsageError("fold 'all' is no part of a cross-validation: it is validated on what it learned from")
    opened = Dataset.open(dataset)
    request = SelectRequest(
        dataset=opened,
        workspace=Workspace(context.workspace_root(workspace), opened.name),
        plans=plans or ("nnunet",),
        configurations=configurations,
        folds=numbers,
        weights=weights,
        ensembles=not no_ensembles,
        keep_logits=keep_logits,
        target=output,
        replace=replace,
    )
    jobs = context.make_case_executor(executor, overrides.get(Kind.EXECUTOR, {}), workers)
    selection = select(request, context.runtime(jobs, device=device))
    if as_json:
        print_json(selection.data())
    else:
        print_selection(opened.description.labels, selection)
        click.echo(predicting(selection.bundle))
