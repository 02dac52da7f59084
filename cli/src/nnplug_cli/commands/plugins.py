"""`nnplug plugins list`: what is installed, and what became of it."""

from __future__ import annotations

from dataclasses import asdict

import click

from nnplug.plugins import Plugin, Status
from nnplug_cli.context import Context
from nnplug_cli.options import json_option
from nnplug_cli.render import print_json, print_table


@click.group(short_help="List plugins.")
def command() -> None:
    """Look at plugins."""


@command.command("list")
@json_option
@click.pass_obj
def list_plugins(context: Context, *, as_json: bool) -> None:
    """List installed plugins and what became of each."""
    plugins = list(context.plugins)
    if as_json:
        print_json([{**asdict(p.source), **_state(p)} for p in plugins])
    else:
        rows = [(p.source.plugin, p.source.distribution, p.source.version, str(p.status), _note(p)) for p in plugins]
        print_table(("plugin", "distribution", "version", "status", "note"), rows)


def _state(plugin: Plugin) -> dict[str, str | None]:
    return {
        "status": str(plugin.status),
        "reason": plugin.reason or None,
        "blocked_by": plugin.blocked_by or None,
    }


def _note(plugin: Plugin) -> str:
    return f"by no:{plugin.blocked_by}" if plugin.status is Status.BLOCKED else plugin.reason
