"""The command `nnUNetv2_convert_MSD_dataset`: convert a task of the Medical Segmentation Decathlon."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from pathlib import Path

from nnplug.errors import NnplugError
from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.conversion import convert


def main() -> None:
    """Run the command."""
    parser = ArgumentParser(
        "nnUNetv2_convert_MSD_dataset", description="Convert a task of the Medical Segmentation Decathlon."
    )
    parser.add_argument("-i", type=Path, required=True, help="the unpacked task, such as Task05_Prostate")
    parser.add_argument("-overwrite_id", type=flags.at_least(0), help="the dataset's number [the task's]")
    flags.workers(parser)
    run(parser, _convert)


@prepares_process(Work.READ_IMAGES)
def _convert(call: Call, options: Options) -> None:
    task = re.fullmatch(r"Task([0-9]{2,3})_(\w+)", options.i.resolve().name)
    if task is None:
        raise NnplugError(f"{options.i}: no task of the Decathlon; its folder is called TaskXX_NAME")
    number = int(task[1]) if options.overwrite_id is None else options.overwrite_id
    convert(call, "msd", options.i, f"Dataset{number:03d}_{task[2]}", workers=options.np)
