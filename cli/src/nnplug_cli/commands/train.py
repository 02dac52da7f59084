"""`nnplug train DATASET`: folds of a planned and preprocessed dataset, on this machine or a cluster."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from nnplug.errors import NnplugError
from nnplug.registry.components import Kind
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

if TYPE_CHECKING:
    from nnplug.runtime.distributed import World
    from nnplug.runtime.progress import Progress
    from nnplug.training.folds import FoldTraining
    from nnplug.training.job import TrainingJob


@dataclass(frozen=True)
class _Asked:
    """The options that say what is trained, and how."""

    dataset: Path
    workspace: Path | None
    configurations: tuple[str, ...]
    folds: tuple[int | str, ...]
    name: str
    overrides: dict[str, dict[str, Any]]
    device: str
    devices: int
    seed: int
    workers: int | None
    pretrained: Path | None
    no_mirroring: bool
    fresh: bool
    validate_only: bool
    weights: Literal["final", "best"]
    save_logits: bool


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
def command(context: Context, /, *, executor: str, as_json: bool, **options: Any) -> None:
    """Train folds of a planned and preprocessed DATASET, then score their validation cases.

    Without -c every configuration of the plans, without -f every fold. What is finished is left as it is, and a fold
    that was stopped goes on where it was; folds may be trained in any order, by several calls.
    `--set trainer.KEY=VALUE` changes these runs alone, not the plans; a finished fold that is to be
    trained for longer goes on from its final weights.
    """
    from nnplug.runtime.progress import Silent
    from nnplug.training.folds import train_folds
    from nnplug.training.several_devices import leave_world, start_devices
    from nnplug.training.task import check_pretrained
    from nnplug.training.train import discard

    asked = _Asked(**options)
    if asked.fresh and asked.validate_only:
        raise click.UsageError("--fresh trains again, --validate-only does not train; give one of them")
    place = context.make_executor(executor, asked.overrides.pop(Kind.EXECUTOR, {}), asked.workers)
    world = start_devices(os.environ, asked.device, asked.devices, here=executor == "local")
    runtime = context.runtime(place, device=asked.device, workers=asked.workers)
    if not world.is_main:
        runtime = replace(runtime, progress=Silent())
    jobs = _jobs(context, asked, runtime.progress)
    for job in jobs if asked.fresh and world.is_main else ():
        check_pretrained(job, context.plugins)
        discard(job.run)
    scores = train_folds(jobs, _training(asked, world), runtime)
    leave_world(world)
    if as_json and world.is_main:
        print_json({"scores": scores_data(scores)})
    elif world.is_main:
        print_scores(jobs[0].description.labels, {f"{c} fold {f}": s for (c, f), s in scores.items()})
        for job in jobs:
            click.echo(f"run: {job.run.path}")


def _jobs(context: Context, asked: _Asked, progress: Progress) -> list[TrainingJob]:
    from nnplug.dataset.dataset import Dataset
    from nnplug.plans.plans import read_plans
    from nnplug.preparation.make_plans import with_options
    from nnplug.training.folds import fold_jobs
    from nnplug.workspace.layout import Workspace

    dataset = Dataset.open(asked.dataset)
    space = Workspace(context.workspace_root(asked.workspace), dataset.name)
    path = space.plans(asked.name)
    if not path.exists():
        raise NnplugError(f"{path}: no such plans. Run: nnplug plan {asked.dataset} --name {asked.name}")
    return fold_jobs(
        dataset,
        space,
        with_options(read_plans(path), asked.overrides, registry=context.plugins.registry),
        configurations=asked.configurations,
        folds=asked.folds,
        seed=asked.seed,
        command=("nnplug", *sys.argv[1:]),
        pretrained=asked.pretrained and asked.pretrained.absolute(),
        progress=progress,
    )


def _training(asked: _Asked, world: World) -> FoldTraining:
    from nnplug.training.folds import FoldTraining

    return FoldTraining(
        asked.devices,
        not asked.no_mirroring,
        training=not asked.validate_only,
        weights=asked.weights,
        save_logits=asked.save_logits,
        world=world,
    )
