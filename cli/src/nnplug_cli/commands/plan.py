"""The command `nnplug plan`: make plans from a fingerprint, in a workspace or as a pure function of two files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.errors import InvalidFile, NnplugError
from nnplug.runtime.process import Work, prepare_process
from nnplug_cli.choices import Choices
from nnplug_cli.context import Context
from nnplug_cli.durations import durations_data, measure_durations, print_durations, tell_durations
from nnplug_cli.memory import count_memories, memories_data, print_memories, tell_memories
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
from nnplug_cli.requests import plan_request

if TYPE_CHECKING:
    from nnplug.dataset.dataset import DatasetDescription
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
    choices: Choices,
    overrides: dict[str, dict[str, Any]],
    as_json: bool,
) -> None:
    """Plan DATASET from its fingerprint in the workspace, or plan from files, without images and workspace.

    `--set plan.KEY=VALUE` overrides a field of the configurations given with -c, or of all configurations with that
    field; `--set planner.KEY=VALUE` sets an option of the planner (`nnplug show planner nnunet` lists them).
    """
    from nnplug.dataset.dataset import DatasetDescription

    places = _places(context, given, measured=source is None, counted=also.estimate)
    if given.output is not None:
        _check_output(places, source, replace=given.replace)
    description = DatasetDescription.read(places.description)
    if source is None:
        plans = _planned(context, places, description, choices, overrides, configurations)
    else:
        plans = _transferred(context, places, description, source, choices, overrides, configurations)
    path = places.plans(plans.name)
    plans = _in_form_of_older(plans, path, context)
    plans.write(path)
    if also.estimate:
        prepare_process(Work.COMPUTE)  # as in a training
    memories = count_memories(context, plans, description) if also.memory else []
    counts = dict.fromkeys(configurations or plans.configurations, places.folds) if also.estimate else {}
    durations = measure_durations(context, plans, description, counts, also.device)
    if as_json:
        print_json({**plans.data(), **memories_data(memories), **durations_data(durations)})
        tell_memories(memories, context.progress)
        tell_durations(durations, context.progress)
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


def _in_form_of_older(plans: Plans, path: Path, context: Context) -> Plans:
    """Return plans that are equal to those of an older nnplug at `path` where they decide the same."""
    from nnplug.plans.plans import read_plans
    from nnplug.preparation.planned import in_form_of

    with suppress(InvalidFile):
        return in_form_of(plans, read_plans(path), context.plugins.registry)
    return plans


def _check_output(places: Places, source: Path | None, *, replace: bool) -> None:
    """Raise if the plans file would replace an input or a file that nnplug did not write."""
    from nnplug.models.model_files import model_inputs
    from nnplug.runtime.outputs import Outputs

    read = [places.description, *filter(None, [places.fingerprint])]
    Outputs((places.output,), (*read, *model_inputs(list(filter(None, [source]))))).claim(replace=replace)


def _planned(
    context: Context,
    places: Places,
    description: DatasetDescription,
    choices: Choices,
    overrides: dict[str, dict[str, Any]],
    configurations: tuple[str, ...],
) -> Plans:
    from nnplug.plans.fingerprint import Fingerprint
    from nnplug.preparation.make_plans import make_plans

    assert places.fingerprint is not None, "only plans of another dataset need none"
    return make_plans(
        Fingerprint.read(places.fingerprint),
        description,
        plan_request(choices, overrides, configurations),
        dataset=places.dataset,
        plugins=context.plugins,
        progress=context.progress,
    )


def _transferred(
    context: Context,
    places: Places,
    description: DatasetDescription,
    source: Path,
    choices: Choices,
    overrides: dict[str, dict[str, Any]],
    configurations: tuple[str, ...],
) -> Plans:
    from nnplug.models.open import find_plans
    from nnplug.preparation.make_plans import transfer_plans

    if choices.recipe or choices.components or choices.memory_gb:
        raise click.UsageError("--from takes everything from the other plans; give --name and --set only")
    plans = find_plans(source)
    context.progress.notice(f"spacing, patch, network and normalisation are those of {plans.dataset} ({source})")
    return transfer_plans(
        plans,
        description,
        dataset=places.dataset,
        plugins=context.plugins,
        name=choices.name,
        options=overrides,
        configurations=configurations,
    )


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
    from nnplug.dataset.dataset import Dataset
    from nnplug.preparation.make_splits import FOLDS, count_folds
    from nnplug.workspace.layout import Workspace

    folder = dataset_folder(dataset)
    opened = Dataset.open(folder, context.readers)
    space = Workspace(context.workspace_root(workspace), opened.name)
    if measured and not space.fingerprint.exists():
        raise NnplugError(f"{space.fingerprint}: no such fingerprint. Run: nnplug fingerprint {dataset}")
    plans, folds = space.plans("any").parent, count_folds(opened, space) if counted else FOLDS
    return Places(opened.name, space.fingerprint, folder / "dataset.json", plans, folds)


def _print_networks(context: Context, plans: Plans, description: DatasetDescription) -> None:
    from nnplug.preparation.network_summary import summarize

    for name in plans.configurations:
        print_network(summarize(plans, name, description, context.plugins.registry))
