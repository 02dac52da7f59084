"""The commands `nnplug model import-nnunet` and `nnplug model export-nnunet`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from nnplug.registry.command_context import CommandContext

_path = click.Path(path_type=Path)
_checkpoint = click.Choice(["final", "best"])


@click.command(short_help="Make a bundle of a model that nnU-Net v2 has trained.")
@click.argument("model", type=_path)
@click.option("-o", "--output", required=True, type=_path, help="The bundle: a folder, or a file that ends in .zip.")
@click.option("-f", "--fold", "folds", multiple=True, metavar="N|all", help="A fold; repeatable [default: all].")
@click.option("--checkpoint", type=_checkpoint, default="final", show_default=True, help="The checkpoint of each fold.")
@click.option("--previous", type=_path, help="For a cascade: the previous stage's folder [default: beside MODEL].")
@click.option("--replace", is_flag=True, help="Replace files that nnplug did not write.")
@click.pass_obj
def import_nnunet(
    context: CommandContext,
    *,
    model: Path,
    output: Path,
    folds: tuple[str, ...],
    checkpoint: Literal["final", "best"],
    previous: Path | None,
    replace: bool,
) -> None:
    """Make a bundle of MODEL, a folder that nnU-Net v2 has trained (it holds plans.json and fold_*)."""
    from nnplug_nnunet.nnunet_models import import_model

    import_model(
        model,
        output,
        registry=context.plugins.registry,
        progress=context.progress,
        folds=folds or None,
        checkpoint=checkpoint,
        previous=previous,
        replace=replace,
    )
    click.echo(f"model: {output}")
    _print_next("nnplug", "predict", "-i", "IMAGES", "-o", "PREDICTIONS", "-m", output)


@click.command(short_help="Write a model as a folder of nnU-Net v2.")
@click.argument("bundle", type=_path)
@click.option("-o", "--output", required=True, type=_path, help="The folder to write.")
@click.option(
    "--checkpoint",
    "checkpoints",
    type=_checkpoint,
    multiple=True,
    default=("final",),
    show_default=True,
    help="The name of each fold's checkpoint; several get the same weights. MONAI's converter reads final and best.",
)
def export_nnunet(*, bundle: Path, output: Path, checkpoints: tuple[str, ...]) -> None:
    """Write BUNDLE as a folder that nnU-Net v2 can predict with."""
    from nnplug_nnunet.nnunet_models import export_model

    export_model(bundle, output, checkpoints=tuple(dict.fromkeys(checkpoints)))
    click.echo(f"model: {output}")
    _print_next("nnUNetv2_predict_from_modelfolder", "-i", "IMAGES", "-o", "PREDICTIONS", "-m", output)


def _print_next(*words: object) -> None:
    click.echo(f"next: {shlex.join(map(str, words))}")
