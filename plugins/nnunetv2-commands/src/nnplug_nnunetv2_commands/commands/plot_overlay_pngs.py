"""The command `nnUNetv2_plot_overlay_pngs`: draw a picture of each training case with its reference."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnplug.errors import NnplugError
from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.environment import PREPROCESSED, RAW
from nnplug_nnunetv2_commands.plans_files import configurations
from nnplug_nnunetv2_commands.workspace import PLANS, NnunetWorkspace

if TYPE_CHECKING:
    from nnplug.workspace.case_store import CaseStore


def main() -> None:
    """Run the command."""
    parser = ArgumentParser(
        "nnUNetv2_plot_overlay_pngs", description="Draw the slice with most foreground of every training case."
    )
    parser.add_argument("-d", required=True, help="dataset id or name")
    parser.add_argument("-o", type=Path, required=True, help="folder for the pictures, CASE.png")
    flags.workers(parser)
    parser.add_argument("-channel_idx", type=flags.at_least(0), default=0, help="the channel to draw [0]")
    parser.add_argument("--use_raw", action="store_true", help="draw the raw images, not the prepared ones")
    parser.add_argument("-p", default=PLANS, help="the plans whose prepared cases are drawn [nnUNetPlans]")
    parser.add_argument("-c", help="the configuration of these cases [3d_fullres, else 2d]")
    parser.add_argument(
        "-overlay_intensity", type=flags.part, default=0.6, help="opacity of the labels, above 0 and up to 1 [0.6]"
    )
    run(parser, _draw)


@prepares_process(Work.READ_IMAGES)
def _draw(call: Call, options: Options) -> None:
    from nnplug.dataset.dataset import Dataset
    from nnplug.pictures.overlay_folder import draw_overlay_dataset, draw_overlay_store

    name = call.environment.dataset(options.d)
    channel, opacity, executor = options.channel_idx, options.overlay_intensity, call.threads(options.np)
    if options.use_raw:
        raw = Dataset.open(call.environment.folder(RAW) / name, call.readers)
        count = draw_overlay_dataset(
            raw, options.o, channel=channel, opacity=opacity, replace=True, executor=executor, progress=call.progress
        )
    else:
        store = _prepared(call, options, name)
        count = draw_overlay_store(
            store, options.o, channel=channel, opacity=opacity, replace=True, executor=executor, progress=call.progress
        )
    click.echo(f"{count} pictures: {options.o}")


def _prepared(call: Call, options: Options, dataset: str) -> CaseStore:
    from nnplug.workspace.case_store import CaseStore
    from nnplug_nnunetv2_commands.class_names.trainers import TrainerChoice
    from nnplug_nnunetv2_commands.plans_files import load_plans

    workspace = NnunetWorkspace(call.environment.folder(PREPROCESSED), dataset)
    path = workspace.plans(options.p)
    there = configurations(path)
    name = options.c or ("3d_fullres" if "3d_fullres" in there else "2d")
    plans = load_plans(path, name, TrainerChoice(), call.plugins.registry)
    store = CaseStore(workspace.preprocessed(plans.name, plans.store_name(name)))
    if not len(store):
        raise NnplugError(f"{store.folder}: no prepared cases. Run nnUNetv2_preprocess -d {dataset}, or give --use_raw")
    return store
