"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import PluginCommand, hookimpl


@hookimpl
def nnplug_commands() -> Iterable[PluginCommand]:
    """Return the commands."""
    commands = "nnplug_export.commands:"
    yield PluginCommand("export-onnx", f"{commands}export_onnx", "ONNX files and model.json", parent="model")
    yield PluginCommand("export-torch", f"{commands}export_torch", "torch.export files and model.json", parent="model")
