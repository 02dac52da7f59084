"""`nnplug train DATASET`: folds of a planned and preprocessed dataset, on this machine or a cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal

import click

from nnplug.components import Kind
from nnplug.errors import NnplugError
from nnplug_cli.context import Context
from nnplug_cli.options import (
    configuration_option,
    dataset_argument,
    device_option,
    devices_option,
    executor_option,
    fold_option,
    json_option,
    seed_option,
    set_option,
    workers_option,
    workspace_option,
)
from nnplug_cli.render import print_json
from nnplug_cli.scores import print_scores, scores_data


@click.command(short_help="Train folds of a planned dataset.")
@dataset_argument
@workspace_option
@configuration_option
@fold_option
@click.option("--name", default="nnunet", show_default=True, metavar="NAME", help="Which plans.")
@executor_option
@set_option
@device_option
@devices_option
@seed_option
@workers_option
@click.option(
    "--pretrained",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Begin with the weights of this run or bundle, all but the segmentation heads.",
)
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
    configurations: tuple[str, ...],
    folds: tuple[int | str, ...],
    name: str,
    executor: str,
    overrides: dict[str, dict[str, Any]],
    device: str,
    devices: int,
    seed: int,
    workers: int | None,
    pretrained: Path | None,
    no_mirroring: bool,
    fresh: bool,
    validate_only: bool,
    weights: Literal["final", "best"],
    save_logits: bool,
    as_json: bool,
) -> None:
    """Train folds of a planned and preprocessed DATASET, then score their validation cases.

    Without -c every configuration of the plans, without -f every fold. What is finished is left as it is, and a fold
    that was stopped goes on where it was; folds may be trained in any order, by several calls.
    `--set trainer.KEY=VALUE` changes these runs alone, not the plans; more `trainer.epochs` than a finished fold had
    make it go on from its final weights.
    """
    from nnplug.data.dataset import Dataset
    from nnplug.data.plans import read_plans
    from nnplug.data.workspace import Workspace
    from nnplug.runtime.progress import Silent
    from nnplug.stages.devices import leave_world, start_devices
    from nnplug.stages.folds import FoldTraining, fold_jobs, train_folds
    from nnplug.stages.plan import with_options
    from nnplug.stages.train import discard

    place = context.make_executor(executor, overrides.pop(Kind.EXECUTOR, {}), workers)
    opened = Dataset.open(dataset)
    space = Workspace(context.workspace_root(workspace), opened.name)
    if not space.plans(name).exists():
        raise NnplugError(f"{space.plans(name)}: no such plans. Run: nnplug plan {dataset} --name {name}")
    plans = with_options(read_plans(space.plans(name)), overrides, registry=context.plugins.registry)
    if fresh and validate_only:
        raise click.UsageError("--fresh trains again, --validate-only does not train; give one of them")
    world = start_devices(os.environ, device, devices, here=executor == "local")
    progress = context.progress if world.leads else Silent()
    jobs = fold_jobs(
        opened,
        space,
        plans,
        configurations=configurations,
        folds=folds,
        seed=seed,
        command=("nnplug", *sys.argv[1:]),
        pretrained=pretrained,
        progress=progress,
    )
    for job in jobs if fresh and world.leads else ():
        discard(job.run)
    training = FoldTraining(
        context.plugins,
        device,
        devices,
        workers,
        not no_mirroring,
        training=not validate_only,
        weights=weights,
        save_logits=save_logits,
        world=world,
    )
    scores = train_folds(jobs, training, executor=place, progress=progress)
    leave_world(world)
    if not world.leads:
        return
    if as_json:
        print_json({"scores": scores_data(scores)})
        return
    print_scores(opened.description.labels, {f"{c} fold {f}": s for (c, f), s in scores.items()})
    for job in jobs:
        click.echo(f"run: {job.run.path}")
