"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import PluginCommand, hookimpl


@hookimpl
def nnplug_commands() -> Iterable[PluginCommand]:
    """Return the commands."""
    yield PluginCommand("report", "nnplug_report.commands:report", "a report of a training or prediction, as one file")
    yield PluginCommand("view", "nnplug_report.commands:view", "an image and label maps in the browser")
