"""The command `nnplug ensemble -i A -i B -o C`: average stored probabilities."""

from __future__ import annotations

from pathlib import Path

import click

from nnplug.runtime.process import Work
from nnplug_cli.choices import Written
from nnplug_cli.context import Context
from nnplug_cli.next_step import print_predictions
from nnplug_cli.options import gathered, json_option, replace_option, workers_option
from nnplug_cli.process import prepares_process
from nnplug_cli.render import print_json

_path = click.Path(path_type=Path)


@click.command(short_help="Average the stored probabilities of several models.")
@click.option(
    "-i", "--input", "first", multiple=True, required=True, type=_path, metavar="FOLDER..", help="Predictions."
)
@click.argument("more", nargs=-1, type=_path, metavar="[FOLDER..]")
@gathered(
    "written",
    Written,
    click.option("-o", "--output", required=True, type=_path, metavar="FOLDER", help="Folder for the label maps."),
)
@click.option("--dataset-json", type=_path, help="Labels and regions [default: the one of the first folder].")
@click.option("--save-probabilities", is_flag=True, help="Also write CASE.npz with the mean probabilities.")
@replace_option
@workers_option
@json_option
@click.pass_obj
@prepares_process(Work.READ_IMAGES)
def command(
    context: Context,
    *,
    first: tuple[Path, ...],
    more: tuple[Path, ...],
    written: Written,
    dataset_json: Path | None,
    save_probabilities: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Average the probabilities of the same cases, `-i A B` or `-i A -i B`, and write label maps.

    Each folder is an output of `nnplug predict` with `--save-logits` or `--save-probabilities`, or of nnU-Net.
    """
    from nnplug.dataset.description import DatasetDescription
    from nnplug.inference.averaging import ensemble_folders
    from nnplug.runtime.executor import LocalExecutor

    cases = ensemble_folders(
        (*first, *more),
        written.output,
        description=None if dataset_json is None else DatasetDescription.read(dataset_json),
        save_probabilities=save_probabilities,
        replace=written.replace,
        runtime=context.runtime_with(LocalExecutor(workers)),
    )
    if as_json:
        print_json({"output": str(written.output), "cases": list(cases)})
    else:
        print_predictions(written.output)
