"""The command `nnUNetv2_plan_experiment`: plan measured datasets."""

from __future__ import annotations

from argparse import ArgumentParser

from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.preparation import prepare


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_plan_experiment", description="Plan datasets that are measured.")
    flags.datasets(parser)
    flags.planning(parser)
    run(parser, _plan)


def _plan(call: Call, options: Options) -> None:
    for reference in options.d:
        prepare(call, reference).plan(options)
