"""The command `nnUNetv2_preprocess_like_nnssl`: plan and preprocess for a checkpoint of nnssl."""

from __future__ import annotations

from argparse import ArgumentParser

import click

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.preparation import prepare
from nnplug_nnunetv2_commands.pretraining import CONFIGURATION, MODES, open_checkpoint, plan_like_nnssl


def main() -> None:
    """Run the command."""
    parser = ArgumentParser(
        "nnUNetv2_preprocess_like_nnssl",
        description="Plan with the network, patch and spacing of a checkpoint of nnssl, and prepare the cases.",
    )
    flags.pretraining(parser)
    parser.add_argument(
        "-am", "--adaptation_mode", default="default_nnunet", choices=MODES, help="spacing [default_nnunet]"
    )
    parser.add_argument(
        "-os", "--override_spacing", nargs="+", type=float, metavar="MM", help="spacing z y x of -am fixed"
    )
    run(parser, _preprocess)


@prepares_process(Work.COMPUTE)
def _preprocess(call: Call, options: Options) -> None:
    spacing = None if options.override_spacing is None else tuple(options.override_spacing)
    preparation = prepare(call, options.d)
    pretraining = open_checkpoint(call, options.pretrained_checkpoint)
    name = plan_like_nnssl(
        preparation, pretraining, name=options.pretraining_name, mode=options.adaptation_mode, spacing=spacing
    )
    preparation.preprocess(name, (CONFIGURATION,), (options.np,), anew=options.overwrite_pp)
    click.echo(f"nnUNetv2_train_pretrained {options.d} {CONFIGURATION} FOLD -p {name}")
