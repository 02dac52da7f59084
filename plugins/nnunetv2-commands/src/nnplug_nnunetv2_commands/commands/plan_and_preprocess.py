"""The command `nnUNetv2_plan_and_preprocess`: measure, plan and preprocess datasets."""

from __future__ import annotations

from argparse import ArgumentParser

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.preparation import prepare, worker_counts


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_plan_and_preprocess", description="Measure, plan and prepare datasets.")
    flags.datasets(parser)
    flags.extraction(parser, workers_flag="-npfp")
    flags.planning(parser)
    parser.add_argument("--no_pp", action="store_true", help="stop after planning")
    flags.preprocessing(parser)
    flags.talk(parser)
    run(parser, _plan_and_preprocess)


@prepares_process(Work.COMPUTE)
def _plan_and_preprocess(call: Call, options: Options) -> None:
    workers = worker_counts(options.np, options.c)
    for preparation in [prepare(call, reference) for reference in options.d]:
        preparation.extract(workers=options.npfp, verify_first=options.verify_dataset_integrity, clean=options.clean)
        plans = preparation.plan(options)
        if not options.no_pp:
            preparation.preprocess(plans, options.c, workers)
