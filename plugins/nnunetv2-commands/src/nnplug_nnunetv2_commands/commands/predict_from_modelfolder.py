"""The command `nnUNetv2_predict_from_modelfolder`: segment images with a model folder."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.prediction import predict


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_predict_from_modelfolder", description="Segment images with a model folder.")
    parser.add_argument("-m", type=Path, required=True, help="folder with plans.json, dataset.json and fold_*")
    flags.prediction(parser)
    run(parser, _predict)


@prepares_process(Work.PREDICT)
def _predict(call: Call, options: Options) -> None:
    predict(call, options, options.m)
