"""Train and validate folds of a planned and preprocessed dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidOptions, Line
from nnplug.models.hubs import local_model
from nnplug.plans.plans import Plans
from nnplug.preparation.make_plans import with_options
from nnplug.preparation.optional_components import with_components
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.distributed import World
from nnplug.runtime.progress import Progress, Silent
from nnplug.steps.choices import FoldChoices, FoldSelection, RuntimeOptions, TrainingChoices
from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
from nnplug.steps.given import Folds, Names, optional_path, runtime_options, selection, training_choices
from nnplug.steps.keywords import FoldKeywords, keywords
from nnplug.steps.requests import tracker_choices
from nnplug.steps.session import ProgressArgument, open_place, session
from nnplug.training.folds import FoldTraining, fold_jobs, train_folds
from nnplug.training.job import TrainingJob
from nnplug.training.set_aside import set_aside
from nnplug.training.several_devices import leave_world, own_device, start_devices
from nnplug.training.task import check_pretrained


@dataclass(frozen=True)
class Trained:
    """The trained folds.

    Attributes:
        plans: the plans of these trainings.
        runs: (configuration, fold) -> the folder of the run.
        scores: (configuration, fold) -> the summary of its validation, in the layout of `summary.json`.
        labels: the labels of the dataset.
        is_main: whether this process reports the results; false in the other processes of `torchrun`.
    """

    plans: Plans
    runs: Mapping[tuple[str, int | str], Path]
    scores: Mapping[tuple[str, int | str], Mapping[str, Any]]
    labels: Labels
    is_main: bool = True


@keywords(FoldKeywords)
def train(
    dataset: str | Path,
    *,
    workspace: str | Path | None = None,
    configurations: Names = (),
    folds: Folds = (),
    name: str | None = None,
    progress: ProgressArgument = None,
    plugins: Plugins | None = None,
    **options: Unpack[FoldKeywords],
) -> Trained:
    """Train folds of a planned and preprocessed dataset, then score their validation cases; this is `nnplug train`.

    Finished folds are skipped, and a stopped fold continues from its last saved state. The options change these runs
    only, not the plans; a finished fold that is set to train longer continues from its final weights.

    Args:
        dataset: a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
        workspace: the folder of all results; None for NNPLUG_WORKSPACE, else ./nnplug-work.
        configurations: one name or several; empty for all of the plans.
        folds: one number or several, or "all"; empty for every fold.
        name: the name of the plans; None for those of the default recipe.
        progress: as in `nnplug.run`.
        plugins: the plugins that offer the components; None for the installed ones.
        **options: see `nnplug.steps.keywords.FoldKeywords`.

    Raises:
        Problems: some folds failed, one line each; the others are finished.
        NnplugError: there are no such plans, or values differ from those that a fold started with.
        InvalidOptions: an option is unknown or its value is invalid.
    """
    choices = TrainRequest(
        selection(configurations, folds),
        name,
        runtime_options(options),
        training_choices(options),
        FoldChoices(
            loss=options["loss"],
            sampler=options["sampler"],
            pretrained=optional_path(options["pretrained"]),
            validate_only=options["validate_only"],
            weights=options["weights"],
            save_logits=options["save_logits"],
        ),
    )
    with session(choices.machine, progress, plugins, trains=True) as runtime:
        return train_in_workspace(open_place(dataset, workspace, runtime), choices, runtime)


@dataclass(frozen=True)
class TrainRequest:
    """The choices of a user for the training of planned folds.

    Attributes:
        folds: the configurations and folds to train.
        name: the name of the plans; None for those of the default recipe.
        machine: the choices for the machine, with the options of components.
        training: the choices for every training.
        fold: the choices for these folds.
    """

    folds: FoldSelection
    name: str | None
    machine: RuntimeOptions
    training: TrainingChoices
    fold: FoldChoices


def train_in_workspace(place: DatasetInWorkspace, choices: TrainRequest, runtime: Runtime) -> Trained:
    """Train folds of a dataset in its workspace, also as one of the processes that `torchrun` started.

    Args:
        place: dataset and workspace.
        choices: the choices of the user.
        runtime: plugins, executor, device, threads and progress.

    Raises:
        Problems, NnplugError, InvalidOptions: as in `train`.
    """
    if choices.training.fresh and choices.fold.validate_only:
        raise InvalidOptions("fresh=True trains again, validate_only=True does not train; give one of them")
    machine, devices = choices.machine, choices.training.devices
    world = start_devices(os.environ, machine.device, devices, here=machine.executor == "local")
    own = runtime if world.size == 1 else replace(runtime, device=own_device(os.environ, runtime.device))
    own = own if world.is_main else replace(own, progress=Silent())
    jobs = _jobs(place, choices, own)
    again = jobs if choices.training.fresh and world.is_main else []
    for job in again:
        check_pretrained(job, own.plugins)
    if not choices.fold.pretrained and not choices.fold.validate_only:
        _report_unused_weights(jobs[0], own.progress)
    with set_aside([job.run for job in again]):
        scores = train_folds(jobs, _fold_training(choices, world), own)
    leave_world(world)
    runs = {(job.configuration, job.fold): job.run.path for job in jobs}
    return Trained(jobs[0].plans, runs, scores, place.dataset.description.labels, world.is_main)


def _report_unused_weights(job: TrainingJob, progress: Progress) -> None:
    """Report that the plans have pretrained weights, which a training without `--pretrained` does not use."""
    start = job.workspace.start(job.plans.name)
    if start.exists():
        progress.notice(
            Line(
                f"{start}: these plans have pretrained weights, which this training does not use.",
                Action.TRAIN_FROM(model=start),
            )
        )


def _jobs(place: DatasetInWorkspace, choices: TrainRequest, runtime: Runtime) -> list[TrainingJob]:
    """Return the jobs of the requested folds."""
    training, fold, registry = choices.training, choices.fold, runtime.registry
    trackers = tracker_choices(training.trackers, choices.machine.overrides, registry)
    pretrained = fold.pretrained and local_model(fold.pretrained, registry)
    named = {Kind.SAMPLER: fold.sampler, Kind.LOSS: fold.loss}
    components = {kind: name for kind, name in named.items() if name is not None}
    plans = with_components(place.plans(choices.name, registry), components, registry)
    jobs = fold_jobs(
        place.dataset,
        place.workspace,
        with_options(plans, choices.machine.settings, registry=registry),
        configurations=choices.folds.configurations,
        folds=choices.folds.folds,
        progress=runtime.progress,
    )
    return [
        replace(job, seed=training.seed, command=training.command, pretrained=pretrained, trackers=trackers)
        for job in jobs
    ]


def _fold_training(choices: TrainRequest, world: World) -> FoldTraining:
    return FoldTraining(
        choices.training.devices,
        choices.training.mirroring,
        training=not choices.fold.validate_only,
        weights=choices.fold.weights,
        save_logits=choices.fold.save_logits,
        world=world,
    )
