"""The command `nnUNetv2_preprocess`: preprocess the cases of planned datasets."""

from __future__ import annotations

from argparse import ArgumentParser

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.preparation import prepare, worker_counts
from nnplug_nnunetv2_commands.workspace import PLANS


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_preprocess", description="Prepare the training cases of planned datasets.")
    flags.datasets(parser)
    parser.add_argument("-plans_name", default=PLANS, help="the plans [nnUNetPlans]")
    flags.preprocessing(parser)
    flags.talk(parser)
    run(parser, _preprocess)


@prepares_process(Work.COMPUTE)
def _preprocess(call: Call, options: Options) -> None:
    workers = worker_counts(options.np, options.c)
    for reference in options.d:
        prepare(call, reference).preprocess(options.plans_name, options.c, workers)
