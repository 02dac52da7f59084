"""The command `nnplug run DATASET`: from a dataset to a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.runtime.process import Work
from nnplug.steps.choices import TrainingChoices
from nnplug_cli.choices import FoldSelection, PlanChoices, RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.expectations import print_expectations
from nnplug_cli.next_step import print_made, print_model, print_next
from nnplug_cli.options import (
    component_options,
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
from nnplug_cli.plans_table import print_plans
from nnplug_cli.process import prepares_process
from nnplug_cli.render import echo, print_json
from nnplug_cli.scores import print_scores, print_selection, scores_data

if TYPE_CHECKING:
    from nnplug.dataset.labels import Labels
    from nnplug.pipeline.request import RunRequest, RunResult
    from nnplug.plans.plans import Plans
    from nnplug.registry.runtime import Runtime

STEPS = ("verify", "fingerprint", "plan", "preprocess", "train", "validate", "bundle")


@dataclass(frozen=True)
class _Training:
    """The options of training, and the last step."""

    devices: int
    seed: int
    until: str
    no_mirroring: bool
    fresh: bool
    trackers: tuple[str, ...]

    @property
    def choices(self) -> TrainingChoices:
        """The choices for every training."""
        words = ("nnplug", *sys.argv[1:])
        return TrainingChoices(
            self.devices, self.seed, not self.no_mirroring, fresh=self.fresh, trackers=self.trackers, command=words
        )


@click.command(short_help="Turn a dataset into a trained, validated model.")
@dataset_argument
@workspace_option
@selection_options
@component_options
@runtime_options(
    executor_option, set_option, device_option, devices_option, gpu_memory_option, seed_option, workers_option
)
@gathered(
    "training",
    _Training,
    tracker_option,
    click.option("--until", type=click.Choice(STEPS), default="bundle", show_default=True, help="The last step."),
    click.option("--no-mirroring", is_flag=True, help="Validate without averaging over mirrored images: faster."),
    click.option("--fresh", is_flag=True, help="Train again what was begun with other values or files."),
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
    choices: PlanChoices,
    runtime: RuntimeOptions,
    training: _Training,
    as_json: bool,
) -> None:
    """Verify, fingerprint, plan, preprocess, train and validate DATASET, and make one model for prediction.

    DATASET is a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw. Without -c every configuration of the
    plan is trained, without -f every fold; then the best one, or ensemble of two, is selected as in nnplug select. With
    some folds only, each configuration becomes a model. Finished steps are skipped: run the same command again after a
    kill.
    """
    from nnplug.pipeline.request import Step
    from nnplug.pipeline.run import run
    from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
    from nnplug.steps.run import RunChoices, run_request, step_of

    made = context.runtime(runtime)
    place = DatasetInWorkspace.open(dataset, context.workspace_root(workspace), context.readers)
    asked = RunChoices(selection, choices, runtime, training.choices, step_of(training.until))
    request = run_request(place, asked, made)
    here = runtime.executor == "local"
    outcome = run(request, made, planned=None if as_json else partial(_print_plans, request, made, here=here))
    if as_json:
        print_json(_data(outcome))
        return
    _print(outcome, place.dataset.description.labels)
    if not Step.BUNDLE.reached(request.until):
        configurations, folds = selection.configurations, selection.folds
        print_next("run", dataset, workspace, name=choices.name, configurations=configurations, folds=folds)


def _print_plans(
    request: RunRequest, made: Runtime, plans: Plans, configurations: Sequence[str], *, here: bool
) -> None:
    """Print what will be trained, before the hours of training."""
    from nnplug.pipeline.request import Step

    print_plans(plans, configurations)
    echo("change it: --set plan.patch_size=[..], plan.batch_size=.., plan.spacing=[..] or --memory-gb")
    echo()
    if Step.TRAIN.reached(request.until):
        print_expectations(request, plans, made, here=here)


def _print(outcome: RunResult, labels: Labels) -> None:
    print_scores(labels, {f"{c} fold {f}": s for (c, f), s in outcome.scores.items()})
    if outcome.selection is not None:
        echo()
        print_selection(labels, outcome.selection)
    for path in outcome.reports:
        print_made("report", path)
    for path in outcome.bundles.values():
        print_model(path)


def _data(outcome: RunResult) -> dict[str, Any]:
    return {
        "scores": scores_data(outcome.scores),
        "selection": None if outcome.selection is None else outcome.selection.data(),
        "bundles": {name: str(path) for name, path in outcome.bundles.items()},
        "reports": list(map(str, outcome.reports)),
    }
