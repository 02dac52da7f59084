"""The command `nnUNetv2_train_pretrained`: train one fold from a checkpoint of nnssl."""

from __future__ import annotations

from argparse import ArgumentParser

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.class_names.pretrained import DEFAULT, find_fine_tuner
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.commands.train import train_fold
from nnplug_nnunetv2_commands.environment import PREPROCESSED
from nnplug_nnunetv2_commands.workspace import NnunetWorkspace


def main() -> None:
    """Run the command."""
    parser = ArgumentParser(
        "nnUNetv2_train_pretrained", description="Train and validate one fold from a checkpoint of nnssl."
    )
    flags.fold_of_dataset(parser)
    parser.add_argument("-tr", default=DEFAULT, help=f"the trainer [{DEFAULT}]")
    parser.add_argument("-p", required=True, help="the plans, ptPlans__..")
    parser.add_argument("--from_scratch", action="store_true", help="the same training from random weights")
    parser.add_argument("-overwrite_ckpt_path", metavar="FILE", help="this checkpoint instead of that of the plans")
    flags.fold_training(parser)
    run(parser, _train)


@prepares_process(Work.COMPUTE)
def _train(call: Call, options: Options) -> None:
    from nnplug_nnunetv2_commands.pretraining import fine_tuning_plans, with_start

    tuner = find_fine_tuner(options.tr)
    dataset = call.environment.dataset(options.dataset_name_or_id)
    workspace = NnunetWorkspace(call.environment.folder(PREPROCESSED), dataset)
    options.p, named = fine_tuning_plans(workspace, options.p, from_scratch=options.from_scratch)
    checkpoint = named if options.overwrite_ckpt_path is None or options.from_scratch else options.overwrite_ckpt_path
    train_fold(
        call,
        options,
        tuner.choice(from_scratch=options.from_scratch),
        lambda job: with_start(call, job, checkpoint, tuner, go_on=options.go_on),
    )
