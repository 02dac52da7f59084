"""The command `nnplug fingerprint`: measure a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug_cli.choices import RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.names import ComponentName
from nnplug_cli.next_step import print_next
from nnplug_cli.options import (
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

if TYPE_CHECKING:
    from nnplug.plans.fingerprint import Fingerprint


@click.command(short_help="Measure a dataset: shapes, spacings, intensities.")
@dataset_argument
@workspace_option
@click.option(
    "--extractor",
    type=ComponentName(Kind.EXTRACTOR),
    help="The extractor [default: the default recipe's].",
)
@runtime_options(executor_option, set_option_of(Kind.EXTRACTOR, Kind.EXECUTOR), workers_option)
@json_option
@click.pass_obj
@prepares_process(Work.READ_IMAGES)
def command(
    context: Context,
    *,
    dataset: Path,
    workspace: Path | None,
    extractor: str | None,
    runtime: RuntimeOptions,
    as_json: bool,
) -> None:
    """Measure DATASET and write WORKSPACE/DATASET/fingerprint.json, which `nnplug plan` reads.

    DATASET is a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
    """
    from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
    from nnplug.steps.preparing import measure_in_workspace

    place = DatasetInWorkspace.open(dataset, context.workspace_root(workspace), context.readers)
    options = runtime.overrides.get(Kind.EXTRACTOR, {})
    measured = measure_in_workspace(place, extractor, options, context.case_runtime(runtime))
    if as_json:
        print_json(measured.fingerprint.data())
    else:
        _print(measured.fingerprint, place.dataset.description.channel_names)
        echo(f"fingerprint: {measured.file}")
        print_next("plan", dataset, workspace)


def _print(fingerprint: Fingerprint, channels: tuple[str, ...]) -> None:
    echo(f"cases: {len(fingerprint.spacings)}")
    for what, rows in (("spacing (mm)", fingerprint.spacings), ("shape after crop", fingerprint.shapes_after_crop)):
        low, high = ([f"{extreme(axis):g}" for axis in zip(*rows, strict=True)] for extreme in (min, max))
        echo(f"{what}, z y x: {' x '.join(low)} to {' x '.join(high)}")
    for index, name in enumerate(channels):
        stats = fingerprint.foreground_intensity_properties_per_channel[str(index)]
        bounds = f"{stats.percentile_00_5:g} to {stats.percentile_99_5:g}"
        echo(f"foreground of {name}: {stats.mean:g} +- {stats.std:g}, 99 % within {bounds}")
