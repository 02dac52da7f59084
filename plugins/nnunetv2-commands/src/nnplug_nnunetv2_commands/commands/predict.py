"""The command `nnUNetv2_predict`: segment images with a model of nnUNet_results."""

from __future__ import annotations

from argparse import ArgumentParser

from nnplug.errors import NnplugError
from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.models import find_folder
from nnplug_nnunetv2_commands.prediction import predict


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_predict", description="Segment images with a model of nnUNet_results.")
    parser.add_argument("-d", required=True, help="dataset id or name")
    parser.add_argument("-c", required=True, help="configuration, such as 3d_fullres")
    flags.training(parser)
    flags.prediction(parser)
    parser.add_argument(
        "-num_parts", type=flags.at_least(1), default=1, help="number of jobs that share the images [1]"
    )
    parser.add_argument("-part_id", type=flags.at_least(0), default=0, help="number of this job, from 0")
    run(parser, _predict)


@prepares_process(Work.PREDICT)
def _predict(call: Call, options: Options) -> None:
    call.environment.refuse_foreign_code()
    if options.part_id >= options.num_parts:
        raise NnplugError(f"-part_id is {options.part_id}, but parts go from 0 to {options.num_parts - 1} (-num_parts)")
    folder = find_folder(call, options, dataset=options.d, configuration=options.c)
    predict(call, options, folder, part=(options.part_id, options.num_parts))
