"""The command `nnplug train DATASET`: train folds of a preprocessed dataset, on this machine or a cluster."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from nnplug.errors import NnplugError
from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug_cli.choices import FoldSelection, RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.names import ComponentName, PlansName
from nnplug_cli.next_step import print_next
from nnplug_cli.options import (
    dataset_argument,
    device_option,
    devices_option,
    executor_option,
    gathered,
    gpu_memory_option,
    json_option,
    runtime_options,
    seed_option,
    selection_options,
    set_option,
    tracker_option,
    workers_option,
    workspace_option,
)
from nnplug_cli.process import prepares_process
from nnplug_cli.render import echo, print_json
from nnplug_cli.requests import tracker_choices
from nnplug_cli.scores import print_scores, scores_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnplug.registry.runtime import Runtime
    from nnplug.runtime.distributed import World
    from nnplug.training.folds import FoldTraining
    from nnplug.training.job import TrainingJob


@dataclass(frozen=True)
class _Training:
    """The options of training and validation."""

    loss: str | None
    sampler: str | None
    devices: int
    seed: int
    pretrained: Path | None
    no_mirroring: bool
    fresh: bool
    validate_only: bool
    weights: Literal["final", "best"]
    save_logits: bool
    trackers: tuple[str, ...]


@dataclass(frozen=True)
class _Changes:
    """The changes of the plans for these trainings only.

    Attributes:
        components: kind -> name.
        options: kind -> option -> value, as in `--set`.
    """

    components: Mapping[Kind, str]
    options: Mapping[str, Mapping[str, Any]]


@click.command(short_help="Train folds of a planned dataset.")
@dataset_argument
@workspace_option
@selection_options
@click.option("--name", type=PlansName(), help="Name of the plans [default: those of the default recipe].")
@runtime_options(
    executor_option, set_option, device_option, devices_option, gpu_memory_option, seed_option, workers_option
)
@gathered(
    "training",
    _Training,
    tracker_option,
    click.option(
        "--loss",
        type=ComponentName(Kind.LOSS),
        help="The loss, instead of that of the plans or the trainer.",
    ),
    click.option(
        "--sampler",
        type=ComponentName(Kind.SAMPLER),
        help="The sampler, instead of that of the plans or the trainer.",
    ),
    click.option(
        "--pretrained",
        type=click.Path(path_type=Path),
        metavar="MODEL",
        help="Initial weights: those of this run, bundle or model of a hub, except the segmentation heads.",
    ),
    click.option("--no-mirroring", is_flag=True, help="Validate without averaging over mirrored images: faster."),
    click.option("--fresh", is_flag=True, help="Train again from the start."),
    click.option("--validate-only", is_flag=True, help="Train nothing; score the validation cases."),
    click.option(
        "--weights",
        type=click.Choice(["final", "best"]),
        default="final",
        show_default=True,
        help="The weights to validate; results of the best are in validation_best.",
    ),
    click.option(
        "--save-logits", is_flag=True, help="Keep CASE.logits.zip of the validation cases, for nnplug select."
    ),
)
@json_option
@click.pass_obj
@prepares_process(Work.COMPUTE)
def command(
    context: Context,
    *,
    dataset: Path,
    workspace: Path | None,
    selection: FoldSelection,
    name: str | None,
    runtime: RuntimeOptions,
    training: _Training,
    as_json: bool,
) -> None:
    """Train folds of a planned and preprocessed DATASET, then score their validation cases.

    Without -c every configuration of the plans is trained, without -f every fold. Finished folds are skipped, and a
    stopped fold continues from its last saved state; folds may be trained in any order, by several calls. `--set
    trainer.KEY=VALUE` changes these runs only, not the plans; a finished fold that is set to train longer continues
    from its final weights.
    """
    from nnplug.models.hubs import local_model
    from nnplug.runtime.progress import Silent
    from nnplug.training.folds import train_folds
    from nnplug.training.several_devices import leave_world, start_devices
    from nnplug.training.task import check_pretrained
    from nnplug.training.train import discard

    if training.fresh and training.validate_only:
        raise click.UsageError("--fresh trains again, --validate-only does not train; give one of them")
    made = context.runtime(runtime)
    world = start_devices(os.environ, runtime.device, training.devices, here=runtime.executor == "local")
    if not world.is_main:
        made = replace(made, progress=Silent())
    trackers = tracker_choices(training.trackers, runtime.overrides, made.registry)
    pretrained = training.pretrained and local_model(training.pretrained, made.registry)
    named = {Kind.SAMPLER: training.sampler, Kind.LOSS: training.loss}
    changes = _Changes({kind: name for kind, name in named.items() if name is not None}, runtime.settings)
    jobs = [
        replace(
            job,
            seed=training.seed,
            command=("nnplug", *sys.argv[1:]),
            pretrained=pretrained,
            trackers=trackers,
        )
        for job in _jobs(made, dataset, context.workspace_root(workspace), name, selection, changes)
    ]
    for job in jobs if training.fresh and world.is_main else ():
        check_pretrained(job, made.plugins)
        discard(job.run)
    scores = train_folds(jobs, _folds(training, world), made)
    leave_world(world)
    if as_json and world.is_main:
        print_json({"scores": scores_data(scores)})
    elif world.is_main:
        print_scores(jobs[0].description.labels, {f"{c} fold {f}": s for (c, f), s in scores.items()})
        for job in jobs:
            echo(f"run: {job.run.path}")
        if selection == FoldSelection((), ()):
            print_next("select", dataset, workspace, name=name)


def _jobs(
    runtime: Runtime, folder: Path, root: Path, name: str | None, selection: FoldSelection, changes: _Changes
) -> list[TrainingJob]:
    """Return the jobs of the requested folds."""
    from nnplug.dataset.dataset import Dataset
    from nnplug.io.readers import Readers
    from nnplug.plans.plans import read_plans
    from nnplug.preparation.make_plans import with_options
    from nnplug.preparation.training_choices import with_components
    from nnplug.training.folds import fold_jobs
    from nnplug.workspace.layout import Workspace
    from nnplug.workspace.plans_name import default_plans_name

    dataset = Dataset.open(folder, Readers.of(runtime.registry))
    space = Workspace(root, dataset.name)
    name = name or default_plans_name(runtime.registry, space)
    path = space.plans(name)
    if not path.exists():
        raise NnplugError(f"{path}: no such plans. Run: nnplug plan {folder} --name {name}")
    plans = with_components(read_plans(path), changes.components, runtime.registry)
    return fold_jobs(
        dataset,
        space,
        with_options(plans, changes.options, registry=runtime.registry),
        configurations=selection.configurations,
        folds=selection.folds,
        progress=runtime.progress,
    )


def _folds(training: _Training, world: World) -> FoldTraining:
    from nnplug.training.folds import FoldTraining

    return FoldTraining(
        training.devices,
        not training.no_mirroring,
        training=not training.validate_only,
        weights=training.weights,
        save_logits=training.save_logits,
        world=world,
    )
