"""The command `nnUNetv2_train`: train and validate one fold."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.environment import PREPROCESSED, RESULTS
from nnplug_nnunetv2_commands.workspace import NnunetWorkspace

if TYPE_CHECKING:
    from nnplug.registry.runtime import Runtime
    from nnplug.training.job import TrainingJob
    from nnplug.workspace.runs import WeightsKind
    from nnplug_nnunetv2_commands.class_names.trainers import TrainerChoice


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_train", description="Train and validate one fold of a configuration.")
    flags.fold_of_dataset(parser)
    flags.training(parser)
    parser.add_argument(
        "-pretrained_weights",
        type=Path,
        metavar="FILE",
        help="initial weights: checkpoint_final.pth in a fold of a model folder; not with --c",
    )
    flags.fold_training(parser)
    run(parser, _train)


@prepares_process(Work.COMPUTE)
def _train(call: Call, options: Options) -> None:
    from nnplug_nnunetv2_commands.training import with_pretrained

    train_fold(
        call,
        options,
        call.trainer(options.tr),
        lambda job: with_pretrained(call, job, options.pretrained_weights, go_on=options.go_on),
    )


def train_fold(
    call: Call, options: Options, trainer: TrainerChoice, begin: Callable[[TrainingJob], TrainingJob]
) -> None:
    """Train and validate a fold as the flags say; `begin` returns the job with the weights that it starts from.

    Raises:
        NnplugError: plans or prepared cases are missing, or the fold cannot be trained as it is asked for.
    """
    from nnplug.workspace.runs import open_run
    from nnplug_nnunetv2_commands.training import open_job, refuse_nnunet

    preprocessed, results = call.environment.folder(PREPROCESSED), call.environment.folder(RESULTS)
    dataset = call.environment.dataset(options.dataset_name_or_id)
    workspace = NnunetWorkspace(preprocessed, dataset, results=results, trainer=options.tr)
    runtime = call.runtime_with(call.threads(), device=options.device or "auto", workers=call.environment.loaders)
    runtime.torch_device()  # a missing device is refused before anything is removed
    job = open_job(call, workspace, trainer, plans=options.p, configuration=options.configuration, fold=options.fold)
    refuse_nnunet(job.run)
    if options.val:
        open_run(job.run.path).weights("best" if options.val_best else "final")  # there before anything is removed
        shutil.rmtree(job.run.validation, ignore_errors=True)
    else:
        job = _learn(call, job, workspace, runtime, options, begin)
    _report(_validate(job, runtime, options))


def _learn(
    call: Call,
    job: TrainingJob,
    workspace: NnunetWorkspace,
    runtime: Runtime,
    options: Options,
    begin: Callable[[TrainingJob], TrainingJob],
) -> TrainingJob:
    from nnplug.training.resumable import check_unchanged
    from nnplug.training.set_aside import set_aside
    from nnplug.training.task import check_pretrained
    from nnplug_nnunetv2_commands.training import (
        with_trackers,
        write_checkpoints,
        write_model_files,
    )

    job = begin(with_trackers(call, job))
    again = [job.run] if not options.go_on and job.run.record.exists() else []
    if not options.go_on:
        check_pretrained(job, call.plugins)
    with set_aside(again):
        if again:
            call.progress.notice(f"{job.run.path}: is trained again from the start; --c would continue it")
        check_unchanged(job)
        write_model_files(workspace, job.plans.name, job.configuration, fold=options.fold)
        _fit(job, runtime, devices=options.num_gpus)
    write_checkpoints(job)
    return job


def _fit(job: TrainingJob, runtime: Runtime, *, devices: int) -> None:
    from nnplug.training.several_devices import train_together
    from nnplug.training.train import train

    if devices > 1:
        train_together(job, runtime, devices=devices)
    else:
        train(job, runtime)


def _validate(job: TrainingJob, runtime: Runtime, options: Options) -> dict[str, Any]:
    from nnplug.training.validate import validate
    from nnplug_nnunetv2_commands.scoring import rewrite_as_nnunet
    from nnplug_nnunetv2_commands.training import write_npz

    weights: WeightsKind = "best" if options.val_best else "final"
    validate(job, runtime, mirroring=True, weights=weights, save_logits=options.npz)
    summary = rewrite_as_nnunet(job.run.validation / "summary.json")
    write_npz(job.run.validation, runtime.plugins)
    return summary


def _report(summary: dict[str, Any]) -> None:
    """Print the line that scripts search for."""
    click.echo(f"Mean Validation Dice:  {summary['foreground_mean']['Dice']}")
