"""The command `nnplug train DATASET`: train folds of a preprocessed dataset, on this machine or a cluster."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug.steps.choices import FoldChoices, TrainingChoices
from nnplug_cli.choices import FoldSelection, RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.names import ComponentName, PlansName
from nnplug_cli.next_step import print_command, print_made, print_next
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
from nnplug_cli.render import print_json
from nnplug_cli.scores import print_scores, scores_data


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

    @property
    def choices(self) -> TrainingChoices:
        """The choices for every training."""
        words = ("nnplug", *sys.argv[1:])
        return TrainingChoices(
            self.devices, self.seed, not self.no_mirroring, fresh=self.fresh, trackers=self.trackers, command=words
        )

    @property
    def fold_choices(self) -> FoldChoices:
        """The choices for these folds."""
        return FoldChoices(
            self.loss, self.sampler, self.pretrained, self.validate_only, self.weights, save_logits=self.save_logits
        )


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
    from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
    from nnplug.steps.training import TrainRequest, train_in_workspace

    if training.fresh and training.validate_only:
        raise click.UsageError("--fresh trains again, --validate-only does not train; give one of them")
    choices = TrainRequest(selection, name, runtime, training.choices, training.fold_choices)
    place = DatasetInWorkspace.open(dataset, context.workspace_root(workspace), context.readers)
    done = train_in_workspace(place, choices, context.runtime(runtime))
    if as_json and done.is_main:
        print_json({"scores": scores_data(done.scores)})
    elif done.is_main:
        print_scores(done.labels, {f"{c} fold {f}": s for (c, f), s in done.scores.items()})
        for run in done.runs.values():
            print_made("run", run)
        if selection == FoldSelection((), ()):
            print_next("select", dataset, workspace, name=name)
        elif len(done.runs) == 1:
            print_command("predict", "-i", "IMAGES", "-o", "PREDICTIONS", "-m", *done.runs.values())
        else:
            print_command("status", context.workspace_root(workspace))
