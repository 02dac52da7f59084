"""The commands `nnplug report` and `nnplug view`."""

from __future__ import annotations

import shlex
import sys
import webbrowser
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import click

from nnplug.io.readers import Readers
from nnplug.runtime.outputs import Outputs

if TYPE_CHECKING:
    from nnplug.registry.command_context import CommandContext
    from nnplug.runtime.progress import Progress

_path = click.Path(path_type=Path)


@click.command(short_help="Write a report of a training or a prediction.")
@click.argument("source", type=_path)
@click.option("-o", "--output", type=_path, required=True, help="The HTML file to write.")
@click.option("-i", "--images", type=_path, help="Folder of images CASE_0000, if they are not beside the references.")
@click.option("-r", "--references", type=_path, help="Folder of references CASE, to score predictions by.")
@click.option("--replace", is_flag=True, help="Replace a file that nnplug did not write.")
@click.pass_obj
def report(
    context: CommandContext, *, source: Path, output: Path, images: Path | None, references: Path | None, replace: bool
) -> None:
    """Write a report on SOURCE as one HTML file, which loads nothing from the internet.

    SOURCE is a run (fold_0), a folder of runs, the folder of a dataset in the workspace, a selection
    (crossval/selection.json), or a folder of predictions. The report has the plans in words, curves, scores with
    intervals, volumes, the worst, median and best case in a slice viewer, and the commands and versions.
    """
    from nnplug.registry.runtime import Runtime
    from nnplug_report.find import ReportRequest
    from nnplug_report.page import write_page
    from nnplug_report.report import report_page

    Outputs((output,), (source,) if source.is_file() else ()).check(replace=replace)
    runtime = Runtime(context.plugins, progress=context.progress)
    page = report_page(ReportRequest(source, images, references), runtime, ("nnplug", *sys.argv[1:]))
    Outputs((output,)).claim(replace=replace)
    write_page(output, page)
    click.echo(f"report: {output}")
    click.echo(f"next: {shlex.join(('python', '-m', 'webbrowser', output.absolute().as_uri()))}")


@click.command(short_help="Show an image and label maps in the browser.")
@click.argument("image", type=_path)
@click.argument("labels", type=_path, nargs=-1)
@click.option("-o", "--output", type=_path, help="The HTML file to write; without it a temporary one.")
@click.option("--no-browser", is_flag=True, help="Write the file and open no browser, as on a server.")
@click.option("--replace", is_flag=True, help="Replace a file that nnplug did not write.")
@click.pass_obj
def view(
    context: CommandContext,
    *,
    image: Path,
    labels: tuple[Path, ...],
    output: Path | None,
    no_browser: bool,
    replace: bool,
) -> None:
    """Write an HTML file that shows IMAGE in three planes and 3D, with each of LABELS over it, and open it.

    Of an image CASE_0000 all channels are shown. The names of labels and channels come from dataset.json in the folder
    of a file or in the folder above it. The file loads nothing from the internet.
    """
    from nnplug_report.page import write_page
    from nnplug_report.view import ViewRequest, view_page

    target = output or Path(mkdtemp(prefix="nnplug-view-")) / "view.html"
    Outputs((target,), (image, *labels)).check(replace=replace)
    readers = Readers.of(context.plugins.registry)
    page = view_page(ViewRequest(image, labels, readers, ("nnplug", *sys.argv[1:])))
    Outputs((target,), (image, *labels)).claim(replace=replace)
    write_page(target, page)
    click.echo(f"view: {target}")
    if not no_browser:
        _open(target, context.progress)


def _open(page: Path, progress: Progress) -> None:
    if not webbrowser.open(page.absolute().as_uri()):
        progress.notice(f"no browser was found; open {page} yourself")
