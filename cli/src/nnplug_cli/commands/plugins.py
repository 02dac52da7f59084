"""`nnplug plugins`: what is installed and what became of it, and a start for one's own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

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


@command.command("new")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The folder to make [default: ./nnplug-NAME].",
)
def new(*, name: str, output: Path | None) -> None:
    """Write a package for a plugin NAME: a planner, an architecture and a trainer to start from, each line explained.

    NAME is lower-case words joined by hyphens; the package is called nnplug-NAME.
    """
    from nnplug_cli.scaffold import write_plugin

    folder = output or Path(f"nnplug-{name}")
    write_plugin(name, folder)
    click.echo(f"{folder}: a package with a planner, an architecture, a trainer and a recipe. Next:")
    for step in (f"pip install -e {folder}", "nnplug components", f"nnplug plugins check {name}"):
        click.echo(f"  {step}")
