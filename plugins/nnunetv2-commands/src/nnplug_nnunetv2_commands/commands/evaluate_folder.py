"""The command `nnUNetv2_evaluate_folder`: score a folder with the labels of its dataset.json."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.scoring import describe, score_as_asked


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_evaluate_folder", description="Score label maps against references.")
    flags.scoring(parser)
    parser.add_argument("-djfile", type=Path, required=True, help="dataset.json")
    parser.add_argument("-pfile", type=Path, required=True, help="plans.json")
    run(parser, _evaluate)


@prepares_process(Work.READ_IMAGES)
def _evaluate(call: Call, options: Options) -> None:
    description = describe(options.djfile, options.pfile, options.pred_folder)
    score_as_asked(call, options, description, inputs=(options.djfile, options.pfile))
