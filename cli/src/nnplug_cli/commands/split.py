"""The command `nnplug split DATASET`: choose the folds of cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnplug_cli.context import Context
from nnplug_cli.next_step import print_next
from nnplug_cli.options import dataset_argument, gathered, json_option, workspace_option
from nnplug_cli.render import echo, print_json, print_table

if TYPE_CHECKING:
    from nnplug.dataset.splits import Fold

_path = click.Path(path_type=Path)


@dataclass(frozen=True)
class _Wanted:
    """The requested folds; see `nnplug.preparation.make_splits.SplitRequest`."""

    folds: int | None
    groups: Path | None
    leave_one_group_out: bool
    file: Path | None


@click.command(short_help="Choose the folds of cross-validation.")
@dataset_argument
@workspace_option
@gathered(
    "wanted",
    _Wanted,
    click.option("--folds", type=int, metavar="K", help="Number of folds [default: 5]."),
    click.option("--groups", type=_path, metavar="TABLE", help="CSV with the columns case and group: patients, sites."),
    click.option("--leave-one-group-out", is_flag=True, help="A fold per group, validated on that group alone."),
    click.option("--file", type=_path, metavar="JSON", help="Hand-written folds, as in nnU-Net's splits_final.json."),
)
@click.option("--replace", is_flag=True, help="Replace folds that were chosen before.")
@json_option
@click.pass_obj
def command(
    context: Context,
    *,
    dataset: Path,
    workspace: Path | None,
    wanted: _Wanted,
    replace: bool,
    as_json: bool,
) -> None:
    """Divide the cases of DATASET into folds and write WORKSPACE/DATASET/splits.json, which every training reads.

    Without options it shows the current folds; by default they are nnU-Net's five. With --groups no group is on both
    sides of a fold.
    """
    from nnplug.preparation.make_splits import SplitRequest
    from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
    from nnplug.steps.splitting import choose_folds

    place = DatasetInWorkspace.open(dataset, context.workspace_root(workspace), context.readers)
    request = SplitRequest(wanted.folds, wanted.groups, wanted.leave_one_group_out, wanted.file)
    chosen = choose_folds(place, request, context.progress, replace=replace)
    if as_json:
        print_json([fold.data() for fold in chosen])
    else:
        print_table(
            ("fold", "training", "validation", "validated on"), [_row(*numbered) for numbered in enumerate(chosen)]
        )
        echo(f"splits: {place.workspace.splits}")
        print_next("run", dataset, workspace)


def _row(number: int, fold: Fold) -> tuple[str, ...]:
    shown = ", ".join(fold.val[:3]) + (", .." if len(fold.val) > 3 else "")
    return str(number), str(len(fold.train)), str(len(fold.val)), shown
