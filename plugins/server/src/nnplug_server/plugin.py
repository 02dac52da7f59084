"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import PluginCommand, hookimpl


@hookimpl
def nnplug_commands() -> Iterable[PluginCommand]:
    """Return the command."""
    yield PluginCommand("serve", "nnplug_server.commands:serve", "a prediction server, as for 3D Slicer")
