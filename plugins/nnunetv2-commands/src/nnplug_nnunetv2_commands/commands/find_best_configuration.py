"""The command `nnUNetv2_find_best_configuration`: find the best configuration or ensemble in cross-validation."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnplug.errors import NnplugError, Problems
from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.environment import PREPROCESSED, RESULTS
from nnplug_nnunetv2_commands.plans_files import configurations
from nnplug_nnunetv2_commands.workspace import PLANS, TRAINER, NnunetWorkspace

if TYPE_CHECKING:
    from nnplug.selection.request import SelectRequest

CONFIGURATIONS = ("2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres")


def main() -> None:
    """Run the command."""
    parser = ArgumentParser(
        "nnUNetv2_find_best_configuration", description="Find the best configuration or ensemble, and postprocessing."
    )
    parser.add_argument("dataset_name_or_id", help="dataset id or name")
    parser.add_argument("-p", nargs="+", default=[PLANS], metavar="PLANS", help="plans [nnUNetPlans]")
    parser.add_argument("-c", nargs="+", default=list(CONFIGURATIONS), metavar="NAME", help="configurations")
    parser.add_argument("-tr", nargs="+", default=[TRAINER], metavar="TRAINER", help="the trainer [nnUNetTrainer]")
    flags.workers(parser)
    flags.folds(parser)
    parser.add_argument("--disable_ensembling", action="store_true", help="compare single configurations only")
    parser.add_argument(
        "--no_overwrite", action="store_true", help="keep existing label maps and their scores, even outdated ones"
    )
    run(parser, _find)


@prepares_process(Work.READ_IMAGES)
def _find(call: Call, options: Options) -> None:
    from nnplug.selection.select import select
    from nnplug_nnunetv2_commands.selection import instructions, write_results

    request = _request(call, options)
    selection = select(request, call.runtime_with(call.threads(options.np)))
    for entry in selection.entries:
        click.echo(f"{entry.name}: {entry.dice}")
    rule = write_results(request, selection)
    for line in instructions(request, selection, rule):
        click.echo(line)


def _request(call: Call, options: Options) -> SelectRequest:
    from nnplug.selection.request import SelectRequest
    from nnplug_nnunetv2_commands.training import preprocessed_dataset

    if len(options.tr) > 1:
        raise NnplugError(f"-tr {' '.join(options.tr)}: the configurations of one trainer are compared; give one")
    if "all" in options.f:
        raise NnplugError("-f all: fold all is validated on its own training cases; give folds of the split")
    call.environment.refuse_foreign_code()
    preprocessed, results = call.environment.folder(PREPROCESSED), call.environment.folder(RESULTS)
    dataset = call.environment.dataset(options.dataset_name_or_id)
    workspace = NnunetWorkspace(preprocessed, dataset, results=results, trainer=options.tr[0])
    trained = _trained(call, workspace, options.p, options.c)
    models = [workspace.model_folder(plans, name) for plans in options.p for name in trained]
    _refuse_nnunet(model / f"fold_{fold}" for model in models for fold in options.f)
    return SelectRequest(
        dataset=preprocessed_dataset(call, workspace),
        workspace=workspace,
        plans=tuple(options.p),
        configurations=trained,
        folds=tuple(map(int, options.f)),
        ensembles=not options.disable_ensembling,
        keep_existing=options.no_overwrite,
        target=results / dataset / "selected",
    )


def _trained(call: Call, workspace: NnunetWorkspace, plans: list[str], asked: list[str]) -> tuple[str, ...]:
    """Return the configurations that are planned and trained; a notice names each planned one that is not trained."""
    found = []
    for name in asked:
        places = [workspace.model_folder(one, name) for one in plans if name in configurations(workspace.plans(one))]
        if absent := [place for place in places if not place.is_dir()]:
            call.progress.notice(f"{name} is left out: {absent[0]} does not exist")
        elif places:
            found.append(name)
    if not found:
        raise NnplugError(f"{workspace.model_folder(plans[0], asked[0])}: no such model; train with nnUNetv2_train")
    return tuple(found)


def _refuse_nnunet(folds: Iterable[Path]) -> None:
    """Raise `Problems` if nnU-Net itself trained a fold: its validation has no record to compare it by."""
    theirs = [fold for fold in folds if any(fold.glob("checkpoint_*.pth")) and not (fold / "run.json").is_file()]
    if theirs:
        what = "was trained by nnU-Net v2, and nnplug compares only folds that it trained"
        others = "nnU-Net's own command compares it; nnUNetv2_accumulate_crossval_results and nnUNetv2_predict take it"
        raise Problems([f"{fold}: {what}. {others}" for fold in theirs])
