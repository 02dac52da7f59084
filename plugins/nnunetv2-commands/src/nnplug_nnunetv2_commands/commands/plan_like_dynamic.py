"""The command `nnUNetv2_plan_like_dynamic`: name a checkpoint of nnssl in a copy of plans."""

from __future__ import annotations

from argparse import ArgumentParser

import click

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.preparation import prepare
from nnplug_nnunetv2_commands.pretraining import CONFIGURATION, open_checkpoint, plan_like_dynamic
from nnplug_nnunetv2_commands.workspace import PLANS


def main() -> None:
    """Run the command."""
    parser = ArgumentParser(
        "nnUNetv2_plan_like_dynamic",
        description="Copy plans with the checkpoint of nnssl that a training starts from, and prepare the cases.",
    )
    flags.pretraining(parser)
    parser.add_argument("-pl", "--plans_identifier", default=PLANS, help="the plans to copy [nnUNetPlans]")
    run(parser, _plan)


@prepares_process(Work.COMPUTE)
def _plan(call: Call, options: Options) -> None:
    preparation = prepare(call, options.d)
    pretraining = open_checkpoint(call, options.pretrained_checkpoint)
    name = plan_like_dynamic(preparation, pretraining, name=options.pretraining_name, base=options.plans_identifier)
    preparation.preprocess(name, (CONFIGURATION,), (options.np,), anew=options.overwrite_pp)
    click.echo(f"nnUNetv2_train_pretrained {options.d} {CONFIGURATION} FOLD -p {name} -tr DynamicPretrainedTrainer")
