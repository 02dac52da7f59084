"""The command `nnplug dataset`: convert folders in other layouts to datasets, and labels back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug_cli.context import Context
from nnplug_cli.names import ComponentName
from nnplug_cli.next_step import print_made, print_next
from nnplug_cli.options import json_option, replace_option, set_option_of, workers_option
from nnplug_cli.plugin_commands import ExtensibleGroup
from nnplug_cli.process import prepares_process
from nnplug_cli.render import echo, echo_message, print_json, print_table
from nnplug_cli.reports import print_report

if TYPE_CHECKING:
    from nnplug.conversion.convert import Conversion
    from nnplug.dataset.case_files import CaseFiles

_path = click.Path(path_type=Path)


@click.group(cls=ExtensibleGroup, parent="dataset")
def command() -> None:
    """Convert folders in other layouts to datasets."""


@command.command()
@click.argument("kind", type=ComponentName(Kind.CONVERTER))
@click.argument("source", type=_path)
@click.argument("destination", type=_path)
@set_option_of(Kind.CONVERTER)
@click.option("--dry-run", is_flag=True, help="List the files of each case, and write nothing.")
@workers_option
@json_option
@click.pass_context
@prepares_process(Work.READ_IMAGES)
def convert(
    ctx: click.Context,
    *,
    kind: str,
    source: Path,
    destination: Path,
    overrides: dict[str, dict[str, Any]],
    dry_run: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Convert SOURCE, a folder or file in another layout, to the dataset DESTINATION, then verify it.

    KIND is a converter: msd, nnunet-v1, pairs, or one of another plugin (`nnplug components converter`). The source is
    not changed. The exit code is 1 if verification finds problems, which then are in the source too.
    """
    from nnplug.contracts.kinds import CONVERTER
    from nnplug.conversion import convert as stage
    from nnplug.runtime.executor import LocalExecutor

    context: Context = ctx.obj
    entry = context.plugins.registry.get(CONVERTER, kind)
    stage.check_source(entry.component, source)
    converter = entry.create(overrides.get(Kind.CONVERTER, {}))
    executor = LocalExecutor(workers)
    if dry_run:
        conversion = stage.plan_conversion(
            converter, source, readers=context.readers, executor=executor, progress=context.progress
        )
        _show(conversion, destination, source, as_json=as_json)
        return
    dataset, report = stage.convert(
        converter, source, destination, readers=context.readers, executor=executor, progress=context.progress
    )
    if as_json:
        print_json({**report.data(), "folder": str(dataset.folder)})
    else:
        print_report(report)
        print_made("dataset", dataset.folder)
        if not report.problems:
            print_next("run", dataset.folder)
    ctx.exit(1 if report.problems else 0)


@command.command()
@click.argument("predictions", type=_path)
@click.argument("output", type=_path)
@click.option(
    "--dataset-json", type=_path, help="The dataset.json of the dataset [default: the one beside the predictions]."
)
@replace_option
@workers_option
@click.pass_obj
@prepares_process(Work.READ_IMAGES)
def restore(
    context: Context,
    *,
    predictions: Path,
    output: Path,
    dataset_json: Path | None,
    replace: bool,
    workers: int | None,
) -> None:
    """Write the label maps of PREDICTIONS to OUTPUT with the label values of the folder that was converted.

    Challenges need these values. The converter stored them in dataset.json as "source_labels"; file names stay.
    """
    from nnplug.conversion.restore import restore as write
    from nnplug.conversion.restore import source_labels
    from nnplug.dataset.description import DatasetDescription
    from nnplug.runtime.executor import LocalExecutor

    file = dataset_json or predictions / "dataset.json"
    description = DatasetDescription.read(file)
    write(
        predictions,
        output,
        source_labels(description, file),
        readers=description.readers(context.readers, str(file)),
        replace=replace,
        executor=LocalExecutor(workers),
        progress=context.progress,
    )
    print_made("label maps", output)


def _show(conversion: Conversion, destination: Path, source: Path, *, as_json: bool) -> None:
    pairs = list(conversion.targets(destination))
    if as_json:
        cases = [{"from": _files(case), "to": _files(target)} for case, target in pairs]
        notices = list(conversion.scan.notices)
        print_json({"dataset_json": dict(conversion.description.raw), "cases": cases, "notices": notices})
        return
    in_place = conversion.scan.in_place
    rows = [(c.name, *_cells(c, source), "-" if in_place else t.images[0].parent.name) for c, t in pairs]
    print_table(("case", "images", "label map", "to"), rows)
    raw = conversion.description.raw
    for key in ("channel_names", "labels", "file_ending"):
        echo(f"{key}: {raw[key]}")
    for notice in conversion.scan.notices:
        echo_message(f"notice: {notice}")


def _cells(case: CaseFiles, source: Path) -> tuple[str, str]:
    folder = source if source.is_dir() else source.parent

    def shown(path: Path) -> str:
        return str(path.relative_to(folder) if path.is_relative_to(folder) else path)

    return ", ".join(map(shown, case.images)), "-" if case.label is None else shown(case.label)


def _files(case: CaseFiles) -> dict[str, Any]:
    label = None if case.label is None else str(case.label)
    return {"case": case.name, "images": [str(path) for path in case.images], "label": label}
