"""The command `nnUNetv2_move_plans_between_datasets`: use the plans of one dataset for another."""

from __future__ import annotations

from argparse import ArgumentParser

import click

from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.environment import PREPROCESSED
from nnplug_nnunetv2_commands.plans_files import move_plans
from nnplug_nnunetv2_commands.workspace import NnunetWorkspace


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_move_plans_between_datasets", description="Use one dataset's plans for another.")
    parser.add_argument("-s", required=True, help="id or name of the dataset that has the plans")
    parser.add_argument("-t", required=True, help="id or name of the dataset that gets the plans")
    parser.add_argument("-sp", required=True, help="name of the plans, such as nnUNetPlans")
    parser.add_argument("-tp", help="name of the plans in the other dataset [the same]")
    run(parser, _move)


def _move(call: Call, options: Options) -> None:
    from nnplug.runtime.outputs import Outputs

    root = call.environment.folder(PREPROCESSED)
    source, target = (NnunetWorkspace(root, call.environment.dataset(name)) for name in (options.s, options.t))
    name = options.tp or options.sp
    Outputs((target.plans(name),), (source.plans(options.sp),)).check(replace=True)
    move_plans(source.plans(options.sp), target.plans(name), dataset=target.dataset)
    click.echo(str(target.plans(name)))
