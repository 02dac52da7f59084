"""The command `nnplug overlay`: draw a picture per case, with label maps over the image."""

from __future__ import annotations

from pathlib import Path

import click

from nnplug.runtime.process import Work
from nnplug_cli.context import Context
from nnplug_cli.next_step import print_made
from nnplug_cli.options import replace_option, workers_option
from nnplug_cli.process import prepares_process
from nnplug_cli.render import counted

_path = click.Path(path_type=Path)


@click.command(short_help="Draw label maps over their images.")
@click.option("-i", "--images", required=True, type=_path, help="A folder of images CASE_0000, such as imagesTr.")
@click.option(
    "-l",
    "--labels",
    required=True,
    multiple=True,
    type=_path,
    help="A folder of label maps CASE; repeatable, as for references and predictions.",
)
@click.option("-o", "--output", required=True, type=_path, help="Folder for the pictures, CASE.png.")
@click.option("--channel", type=click.IntRange(min=0), default=0, show_default=True, help="The channel to draw.")
@replace_option
@workers_option
@click.pass_obj
@prepares_process(Work.READ_IMAGES)
def command(
    context: Context,
    *,
    images: Path,
    labels: tuple[Path, ...],
    output: Path,
    channel: int,
    replace: bool,
    workers: int | None,
) -> None:
    """Draw a PNG per case: the image, and beside it each folder's label map over it.

    It shows the slice with most foreground in the first folder, with one colour per label.
    """
    from nnplug.evaluation.pairs import folder_readers
    from nnplug.pictures.overlay_folder import OverlayFolders, draw_overlay_folder
    from nnplug.runtime.executor import LocalExecutor

    count = draw_overlay_folder(
        OverlayFolders(images, labels, folder_readers(labels[0], context.readers)),
        output,
        channel=channel,
        replace=replace,
        executor=LocalExecutor(workers),
        progress=context.progress,
    )
    print_made(counted(count, "picture"), output)
