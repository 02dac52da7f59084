"""The commands `nnplug model export-onnx` and `nnplug model export-torch`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nnplug.registry.command_context import CommandContext
    from nnplug_export.writers import NetworkWriter

_path = click.Path(path_type=Path)


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument and the options that both have."""
    for option in (
        click.pass_obj,
        click.option("--replace", is_flag=True, help="Replace an export with added or changed files, too."),
        click.option("--fold", "folds", multiple=True, metavar="N|all", help="Only this fold; repeatable."),
        click.option("-o", "--output", type=_path, required=True, metavar="FOLDER", help="The folder to write."),
        click.argument("bundle", type=_path),
    ):
        function = option(function)
    return function


@click.command(short_help="Export a model as ONNX files.")
@_options
def export_onnx(context: CommandContext, *, bundle: Path, output: Path, folds: tuple[str, ...], replace: bool) -> None:
    """Write BUNDLE as an ONNX file per fold, and model.json with its pre- and postprocessing.

    Each file is checked by onnx.checker, and computed on random input beside the network in PyTorch. nnplug-runtime
    predicts with the folder, without PyTorch and nnplug.
    """
    from nnplug_export.onnx_writer import OnnxWriter

    _export(context, bundle, output, folds, OnnxWriter(), replace=replace)
    words = ("nnplug-runtime", "predict", "-i", "IMAGES", "-o", "PREDICTIONS", "-m", str(output))
    click.echo(f"next: {shlex.join(words)}")


@click.command(short_help="Export a model as torch.export files.")
@_options
def export_torch(context: CommandContext, *, bundle: Path, output: Path, folds: tuple[str, ...], replace: bool) -> None:
    """Write BUNDLE as a .pt2 file of torch.export per fold, and model.json with its pre- and postprocessing.

    Each file is computed on random input beside the network of the bundle.
    """
    from nnplug_export.torch_writer import TorchWriter

    _export(context, bundle, output, folds, TorchWriter(), replace=replace)


def _export(
    context: CommandContext, bundle: Path, output: Path, folds: tuple[str, ...], writer: NetworkWriter, *, replace: bool
) -> None:
    from nnplug_export.export import export_model

    export_model(
        bundle, output, writer, plugins=context.plugins, progress=context.progress, folds=folds or None, replace=replace
    )
    click.echo(f"model: {output}")
