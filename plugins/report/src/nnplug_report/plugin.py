"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import PluginCommand, ReporterComponent, hookimpl


@hookimpl
def nnplug_commands() -> Iterable[PluginCommand]:
    """Return the commands."""
    yield PluginCommand("report", "nnplug_report.commands:report", "a report of a training or prediction, as one file")
    yield PluginCommand("view", "nnplug_report.commands:view", "an image and label maps in the browser")


@hookimpl
def nnplug_reporters() -> Iterable[ReporterComponent]:
    """Return the reporter."""
    yield ReporterComponent("html", "nnplug_report.reporter:HtmlReporter", "report.html, with a slice viewer")
