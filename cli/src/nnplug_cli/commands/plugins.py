"""`nnplug plugins list|check|new`: what is installed, whether it keeps its contracts, and a start for one's own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import click

from nnplug.components import Entry
from nnplug.errors import NnplugError
from nnplug.plugins import Plugin, Plugins, Status
from nnplug_cli.context import Context
from nnplug_cli.options import json_option
from nnplug_cli.render import print_json, print_table


@click.group(short_help="List, check and write plugins.")
def command() -> None:
    """List, check and write plugins."""


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


@command.command("check")
@click.argument("name")
@json_option
@click.pass_context
def check(ctx: click.Context, *, name: str, as_json: bool) -> None:
    """Check every component of the plugin (or distribution) NAME against its kind's contract.

    Components are built with their default options and run on tiny synthetic data. Leaves with 1 if one fails.
    """
    context: Context = ctx.obj
    verdicts = [v for entry in _entries(context.plugins, name) for v in _verdicts(context, entry)]
    if as_json:
        print_json([asdict(v) for v in verdicts])
    else:
        print_table(("component", "check", "verdict"), [(v.component, v.check, v.problem or "ok") for v in verdicts])
        failed = sum(v.problem is not None for v in verdicts)
        click.echo(f"{len(verdicts)} checks, {failed} failed")
    ctx.exit(int(any(v.problem is not None for v in verdicts)))


@dataclass(frozen=True)
class _Verdict:
    """One check of one component; `problem` is None where it passed."""

    component: str
    check: str
    problem: str | None


def _entries(plugins: Plugins, name: str) -> list[Entry]:
    """The components of a loaded plugin; one that did not load fails with its reason."""
    found = [p for p in plugins if name in (p.source.plugin, p.source.distribution)]
    if not found:
        known = ", ".join(p.source.plugin for p in plugins) or "none"
        raise NnplugError(f"no plugin or distribution is called {name!r}. Installed plugins: {known}.")
    for plugin in found:
        if plugin.status is not Status.LOADED:
            raise NnplugError(f"plugin {plugin.source.plugin!r} of {plugin.source} is {plugin.status}: {_note(plugin)}")
    sources = [p.source for p in found]
    return [entry for entry in plugins.registry if entry.source in sources]


def _verdicts(context: Context, entry: Entry) -> list[_Verdict]:
    from nnplug.testing import checks

    component = f"{entry.kind} {entry.name}"
    found = checks(entry, context.plugins.registry)
    with context.progress.task(f"check {component}", len(found)) as advance:
        verdicts = []
        for one in found:
            verdicts.append(_Verdict(component, one.name, one.problem()))
            advance(one.name)
    return verdicts


@command.command("new")
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The folder to make [default: ./nnplug-NAME].")
def new(*, name: str, output: Path | None) -> None:
    """Write a working package for a plugin NAME: components of your own, their registration and a test."""
    from nnplug_cli.template import write

    folder = output or Path(f"nnplug-{name}")
    write(name, folder)
    click.echo(f"{folder}: a package with components called {name}. Next:")
    for step in (f"pip install -e {folder}", f"nnplug plugins check {name}", f"nnplug components | grep {name}"):
        click.echo(f"  {step}")
