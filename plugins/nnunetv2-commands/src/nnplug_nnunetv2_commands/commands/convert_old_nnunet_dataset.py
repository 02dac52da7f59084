"""The command `nnUNetv2_convert_old_nnUNet_dataset`: convert a task of nnU-Net v1."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.conversion import convert


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_convert_old_nnUNet_dataset", description="Convert a task of nnU-Net v1.")
    parser.add_argument("input_folder", type=Path, help="the task's folder, with imagesTr and labelsTr")
    parser.add_argument("output_dataset_name", help="DatasetXXX_NAME, in nnUNet_raw")
    run(parser, _convert)


@prepares_process(Work.READ_IMAGES)
def _convert(call: Call, options: Options) -> None:
    convert(call, "nnunet-v1", options.input_folder, options.output_dataset_name)
