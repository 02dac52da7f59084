"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import PluginCommand, hookimpl


@hookimpl
def nnplug_commands() -> Iterable[PluginCommand]:
    """Return the command."""
    yield PluginCommand("plan-nnssl", "nnplug_nnssl.commands:plan_nnssl", "plans and start weights from nnssl's file")
