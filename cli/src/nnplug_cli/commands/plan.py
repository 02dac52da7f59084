"""The command `nnplug plan`: make plans from a fingerprint, in a workspace or as a pure function of two files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.runtime.process import Work, prepare_process
from nnplug_cli.choices import PlanChoices
from nnplug_cli.context import Context
from nnplug_cli.durations import durations_data, measure_durations, print_durations, report_durations
from nnplug_cli.memory import count_memories, memories_data, print_memories, report_memories
from nnplug_cli.networks import print_network
from nnplug_cli.next_step import print_next
from nnplug_cli.options import (
    component_options,
    configuration_option,
    dataset_folder,
    device_option,
    gathered,
    json_option,
    replace_option,
    set_option,
    workspace_option,
)
from nnplug_cli.plans_table import print_plans
from nnplug_cli.render import echo, print_json

if TYPE_CHECKING:
    from nnplug.dataset.description import DatasetDescription
    from nnplug.plans.plans import Plans

FILE = click.Path(path_type=Path)


@dataclass(frozen=True)
class Places:
    """The files that one call reads and writes.

    Attributes:
        dataset: the dataset's name.
        fingerprint: the fingerprint file; None if the plans come from another dataset.
        description: `dataset.json`.
        output: the plans file, or the workspace's folder of plans.
        folds: the number of folds of the dataset, or the usual one.
    """

    dataset: str
    fingerprint: Path | None
    description: Path
    output: Path
    folds: int

    def plans(self, name: str) -> Path:
        """Return the file for plans of this name."""
        return self.output if self.output.suffix == ".json" else self.output / f"{name}.json"


@dataclass(frozen=True)
class _Given:
    """The dataset in a workspace or the files instead of it, and whether to replace other files."""

    dataset: str | None
    workspace: Path | None
    fingerprint: Path | None
    dataset_json: Path | None
    output: Path | None
    replace: bool


@dataclass(frozen=True)
class _Also:
    """The tables that are shown beside the plans: of the networks, of their memory, of the time of a training."""

    summary: bool
    memory: bool
    estimate: bool
    device: str


@click.command(short_help="Decide configurations from a fingerprint.")
@gathered(
    "given",
    _Given,
    click.argument("dataset", required=False),
    workspace_option,
    click.option("--fingerprint", type=FILE, metavar="FILE", help="Plan from this fingerprint, without a workspace."),
    click.option("--dataset-json", type=FILE, metavar="FILE", help="The dataset.json of the fingerprint."),
    click.option("-o", "--output", type=FILE, metavar="FILE", help="The plans file, .json."),
)
@click.option(
    "--from",
    "source",
    type=FILE,
    metavar="PLANS",
    help="Take the plans of another dataset (a plans file, run or bundle), for its pretrained weights.",
)
@replace_option
@gathered(
    "also",
    _Also,
    click.option("--summary", is_flag=True, help="Also show each network: stages, shapes, parameters, feature maps."),
    click.option(
        "--memory",
        is_flag=True,
        help="Also count the GPU memory of a training step and of a prediction; takes seconds.",
    ),
    click.option(
        "--estimate",
        is_flag=True,
        help="Also measure the time of a training on this machine, of the configurations of -c or all; takes a minute.",
    ),
    device_option,
)
@configuration_option
@component_options
@set_option
@json_option
@click.pass_obj
def command(
    context: Context,
    *,
    given: _Given,
    source: Path | None,
    also: _Also,
    configurations: tuple[str, ...],
    choices: PlanChoices,
    overrides: dict[str, dict[str, Any]],
    as_json: bool,
) -> None:
    """Plan DATASET from its fingerprint in the workspace, or plan from files, without images and workspace.

    `--set plan.KEY=VALUE` overrides a field of the configurations given with -c, or of all configurations with that
    field; `--set planner.KEY=VALUE` sets an option of the planner (`nnplug show planner nnunet` lists them).
    """
    from nnplug.dataset.description import DatasetDescription
    from nnplug.runtime.executor import LocalExecutor
    from nnplug.steps.planning import PlanChanges, PlanningSource, make_or_transfer, write_plans

    places = _places(context, given, measured=source is None, counted=also.estimate)
    if given.output is not None:
        _check_output(places, source, replace=given.replace)
    description = DatasetDescription.read(places.description)
    _check_choices(source, choices)
    runtime = context.runtime_with(LocalExecutor())
    origin = PlanningSource(places.dataset, description, places.fingerprint, source)
    plans = make_or_transfer(origin, PlanChanges(choices, overrides, configurations), runtime)
    path = places.plans(plans.name)
    plans = write_plans(plans, path, runtime)
    if also.estimate:
        prepare_process(Work.COMPUTE)  # as in a training
    memories = count_memories(context, plans, description) if also.memory else []
    counts = dict.fromkeys(configurations or plans.configurations, places.folds) if also.estimate else {}
    durations = measure_durations(context, plans, description, counts, also.device)
    if as_json:
        print_json({**plans.data(), **memories_data(memories), **durations_data(durations)})
        report_memories(memories, context.progress)
        report_durations(durations, context.progress)
        return
    print_plans(plans)
    if also.summary:
        _print_networks(context, plans, description)
    if also.memory:
        print_memories(memories, context.progress)
    if also.estimate:
        print_durations(durations, context.progress)
    echo(f"plans: {path}")
    if given.dataset is not None:
        is_default = source is None and not (choices.name or choices.recipe or choices.components)
        print_next("preprocess", Path(given.dataset), given.workspace, name=None if is_default else plans.name)


def _check_output(places: Places, source: Path | None, *, replace: bool) -> None:
    """Raise if the plans file would replace an input or a file that nnplug did not write."""
    from nnplug.models.model_files import model_inputs
    from nnplug.runtime.outputs import Outputs

    read = [places.description, *filter(None, [places.fingerprint])]
    Outputs((places.output,), (*read, *model_inputs(list(filter(None, [source]))))).claim(replace=replace)


def _check_choices(source: Path | None, choices: PlanChoices) -> None:
    """Raise if components are chosen for plans that are taken from another dataset."""
    if source is not None and (choices.recipe or choices.components or choices.memory_gb):
        raise click.UsageError("--from takes everything from the other plans; give --name and --set only")


def _places(context: Context, given: _Given, *, measured: bool, counted: bool) -> Places:
    """Return the files to read and write.

    Args:
        context: the call of the command.
        given: the dataset or the files.
        measured: whether a fingerprint is needed.
        counted: whether the number of folds is needed, for which the dataset must have its images.
    """
    fingerprint, description, output = given.fingerprint, given.dataset_json, given.output
    if given.dataset is not None:
        if fingerprint or description or output or not given.dataset:
            raise click.UsageError("give either DATASET, or --fingerprint, --dataset-json and -o")
        return _in_workspace(context, given.dataset, given.workspace, measured=measured, counted=counted)
    if (measured and fingerprint is None) or description is None or output is None:
        raise click.UsageError("give DATASET, or all of --fingerprint, --dataset-json and -o")
    from nnplug.preparation.make_splits import FOLDS

    if output.suffix != ".json":
        raise click.UsageError(f"-o {output}: the plans are one file; give it a name that ends in .json")
    return Places(description.resolve().parent.name, fingerprint, description, output, FOLDS)


def _in_workspace(context: Context, dataset: str, workspace: Path | None, *, measured: bool, counted: bool) -> Places:
    from nnplug.preparation.make_splits import FOLDS, count_folds
    from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
    from nnplug.steps.planning import fingerprint_of

    place = DatasetInWorkspace.open(dataset_folder(dataset), context.workspace_root(workspace), context.readers)
    fingerprint = fingerprint_of(place) if measured else None
    description, plans = place.dataset.folder / "dataset.json", place.workspace.plans("any").parent
    folds = count_folds(place.dataset, place.workspace) if counted else FOLDS
    return Places(place.dataset.name, fingerprint, description, plans, folds)


def _print_networks(context: Context, plans: Plans, description: DatasetDescription) -> None:
    from nnplug.preparation.network_summary import summarize

    for name in plans.configurations:
        print_network(summarize(plans, name, description, context.plugins.registry))
