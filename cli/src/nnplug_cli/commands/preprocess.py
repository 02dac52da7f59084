"""The command `nnplug preprocess`: preprocess the training cases of a planned dataset."""

from __future__ import annotations

from pathlib import Path

import click

from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug_cli.choices import RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.names import PlansName
from nnplug_cli.next_step import print_next
from nnplug_cli.options import (
    configuration_option,
    dataset_argument,
    executor_option,
    json_option,
    runtime_options,
    set_option_of,
    workers_option,
    workspace_option,
)
from nnplug_cli.process import prepares_process
from nnplug_cli.render import echo, print_json


@click.command(short_help="Prepare the training cases of a planned dataset.")
@dataset_argument
@workspace_option
@configuration_option
@click.option("--name", type=PlansName(), help="Name of the plans [default: those of the default recipe].")
@runtime_options(executor_option, set_option_of(Kind.EXECUTOR), workers_option)
@json_option
@click.pass_obj
@prepares_process(Work.COMPUTE)
def command(
    context: Context,
    *,
    dataset: Path,
    workspace: Path | None,
    configurations: tuple[str, ...],
    name: str | None,
    runtime: RuntimeOptions,
    as_json: bool,
) -> None:
    """Bring the training cases of DATASET to the grid and intensities of the plans.

    Without -c, all configurations of the plans are preprocessed. Cases that are stored and have not changed are
    skipped.
    """
    from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
    from nnplug.steps.preparing import preprocess_in_workspace

    place = DatasetInWorkspace.open(dataset, context.workspace_root(workspace), context.readers)
    done = preprocess_in_workspace(place, configurations, name, context.case_runtime(runtime))
    stores = done.stores
    if as_json:
        print_json({n: {"folder": str(store.folder), "cases": len(store)} for n, store in stores.items()})
    else:
        for configuration, store in stores.items():
            echo(f"{configuration}: {len(store)} cases in {store.folder}")
        print_next("train", dataset, workspace, name=done.plans.name)
