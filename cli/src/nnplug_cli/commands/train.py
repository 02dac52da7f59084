"""`nnplug train DATASET -c CONFIGURATION -f FOLD`: one fold of one configuration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

import click

from nnplug.errors import NnplugError
from nnplug_cli.context import Context
from nnplug_cli.options import (
    dataset_argument,
    device_option,
    json_option,
    seed_option,
    set_option,
    workers_option,
    workspace_option,
)
from nnplug_cli.render import print_json
from nnplug_cli.scores import print_scores


@click.command(short_help="Train one fold of one configuration.")
@dataset_argument
@workspace_option
@click.option("-c", "--configuration", required=True, metavar="NAME", help="The configuration.")
@click.option("-f", "--fold", required=True, metavar="N|all", help="The fold.")
@click.option("--name", default="nnunet", show_default=True, metavar="NAME", help="Which plans.")
@set_option
@device_option
@seed_option
@workers_option
@click.option("--no-mirroring", is_flag=True, help="Validate without averaging over mirrored images: faster.")
@click.option("--fresh", is_flag=True, help="Train again from the start.")
@click.option("--validate-only", is_flag=True, help="Train nothing; score the validation cases.")
@click.option(
    "--weights",
    type=click.Choice(["final", "best"]),
    default="final",
    show_default=True,
    help="Which weights are validated; the best go to validation_best.",
)
@click.option("--save-logits", is_flag=True, help="Keep CASE.logits.zip of the validation cases, for nnplug select.")
@json_option
@click.pass_obj
def command(
    context: Context,
    *,
    dataset: Path,
    workspace: Path | None,
    configuration: str,
    fold: str,
    name: str,
    overrides: dict[str, dict[str, Any]],
    device: str,
    seed: int,
    workers: int | None,
    no_mirroring: bool,
    fresh: bool,
    validate_only: bool,
    weights: Literal["final", "best"],
    save_logits: bool,
    as_json: bool,
) -> None:
    """Train a fold of a planned and preprocessed DATASET, then score its validation cases.

    A fold that was stopped goes on where it was. `--set trainer.KEY=VALUE` changes this run alone, not the plans.
    """
    from nnplug.data.dataset import Dataset
    from nnplug.data.plans import read_plans
    from nnplug.data.workspace import Workspace
    from nnplug.runtime.device import choose_device
    from nnplug.runtime.executor import LocalExecutor, available_cores
    from nnplug.stages.plan import with_options
    from nnplug.stages.train import TrainingJob, discard, train
    from nnplug.stages.validate import validate

    opened = Dataset.open(dataset)
    space = Workspace(context.workspace_root(workspace), opened.name)
    if not space.plans(name).exists():
        raise NnplugError(f"{space.plans(name)}: no such plans. Run: nnplug plan {dataset} --name {name}")
    plans = with_options(read_plans(space.plans(name)), overrides, registry=context.plugins.registry)
    number: int | str = int(fold) if fold.isdigit() else fold
    job = TrainingJob(space, opened, plans, configuration, number, seed, ("nnplug", *sys.argv[1:]))
    if fresh and validate_only:
        raise click.UsageError("--fresh trains again, --validate-only does not train; give one of them")
    if fresh:
        discard(job.run)
    where, cores = choose_device(device), workers or available_cores()
    if not validate_only:
        train(job, plugins=context.plugins, device=where, workers=cores, progress=context.progress)
    summary = validate(
        job,
        plugins=context.plugins,
        device=where,
        mirroring=not no_mirroring,
        weights=weights,
        save_logits=save_logits,
        executor=LocalExecutor(workers),
        progress=context.progress,
    )
    if as_json:
        print_json(summary)
    else:
        print_scores(opened.description.labels, {job.title: summary})
        click.echo(f"run: {job.run.path}")
