"""The command `nnplug plugins`: list installed plugins, check their contracts, and start a new one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from nnplug.errors import worded
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugin, Status
from nnplug.runtime.process import Work
from nnplug_cli.context import Context
from nnplug_cli.options import json_option
from nnplug_cli.plugin_commands import ExtensibleGroup, command_checks
from nnplug_cli.process import prepares_process
from nnplug_cli.remedies import REMEDIES
from nnplug_cli.render import echo, print_json, print_table


@click.group(cls=ExtensibleGroup, parent="plugins", short_help="List, check and write plugins.")
def command() -> None:
    """List, check and write plugins."""


@command.command("list")
@json_option
@click.pass_obj
def list_plugins(context: Context, *, as_json: bool) -> None:
    """List installed plugins and their status."""
    plugins = list(context.plugins)
    if as_json:
        print_json([{**asdict(p.source), **_state(p)} for p in plugins])
    else:
        rows = [(p.source.plugin, p.source.distribution, p.source.version, str(p.status), _note(p)) for p in plugins]
        print_table(("plugin", "distribution", "version", "status", "note"), rows)


def _state(plugin: Plugin) -> dict[str, str | float | list[str] | None]:
    return {
        "status": str(plugin.status),
        "reason": plugin.reason or None,
        "blocked_by": plugin.blocked_by or None,
        "faults": list(plugin.faults),
        "seconds": round(plugin.seconds, 3),
    }


def _note(plugin: Plugin) -> str:
    blocked = f"by no:{plugin.blocked_by}" if plugin.status is Status.BLOCKED else ""
    return "; ".join(filter(None, (blocked, plugin.reason, *plugin.faults, worded(plugin.delay, REMEDIES))))


@command.command("check")
@click.argument("name")
@json_option
@click.pass_context
@prepares_process(Work.CHECK)
def check(ctx: click.Context, *, name: str, as_json: bool) -> None:
    """Check the plugin (or distribution) NAME, and all of its components against the contracts of their kinds.

    Components are built with their default options and run on small synthetic data. A check that cannot be tried is
    skipped with the reason. Checks of a component that fail for one reason are one row, of which --json names the
    checks. The exit code is 1 if a check fails.
    """
    verdicts = list(_verdicts(ctx.obj, name))
    states = [verdict["state"] for verdict in verdicts]
    failed, skipped = states.count("failed"), states.count("skipped")
    rows = _by_fault(verdicts)
    if as_json:
        print_json(rows)
    else:
        print_table(("component", "check", "verdict"), [_table_row(row) for row in rows])
        words = f"breaks its contract: {failed} failed" if failed else "keeps its contract: 0 failed"
        left_out = f", {skipped} skipped" if skipped else ""
        echo(f"{name} {words} of {len(verdicts)} checks{left_out}")
    ctx.exit(int(failed > 0))


def _by_fault(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the verdicts, each with its `checks`; those of a component that fail for one reason are one."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for verdict in verdicts:
        fault = verdict["problem"] if verdict["state"] == "failed" else f"{verdict['check']}: {verdict['state']}"
        row = rows.setdefault((verdict["component"], fault), {**verdict, "checks": []})
        row["checks"].append(verdict["check"])
    return list(rows.values())


def _table_row(row: dict[str, Any]) -> tuple[str, str, str]:
    words = {"passed": "ok", "skipped": f"skipped: {row['skipped']}"}.get(row["state"], row["problem"])
    more = len(row["checks"]) - 1
    return row["component"], f"{row['check']}, and {more} more" if more else row["check"], words


def _verdicts(context: Context, name: str) -> Iterator[dict[str, Any]]:
    """Run all checks; yield the component, the check, its state, and the problem or the reason of a skip."""
    from nnplug.testing import State, checks_of

    todo = [*checks_of(context.plugins, name), *command_checks(context.plugins, name)]
    with context.progress.task(f"check {name}", len(todo)) as advance:
        for component, one in todo:
            verdict = one.verdict()
            yield {
                "component": component,
                "check": one.name,
                "state": str(verdict.state),
                "problem": verdict.reason if verdict.state is State.FAILED else None,
                "skipped": verdict.reason if verdict.state is State.SKIPPED else None,
            }
            advance(component)


@command.command("new")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The folder to make [default: ./nnplug-NAME].",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([*map(str, Kind), "command"]),
    help="A kind of component for the package; repeatable [default: planner, architecture and trainer].",
)
@json_option
def new(*, name: str, output: Path | None, kinds: tuple[str, ...], as_json: bool) -> None:
    """Write a package for a plugin NAME with components that work, as a start; comments explain them.

    NAME is lower-case words joined by hyphens; the package's name is nnplug-NAME. Without --kind the package has a
    planner, an architecture, a trainer and a recipe that build on nnU-Net's.
    """
    folder = output or Path(f"nnplug-{name}")
    contents = _write(name, kinds, folder)
    steps = (f"pip install -e {folder}", "nnplug components", f"nnplug plugins check {name}")
    if as_json:
        print_json({"plugin": name, "folder": str(folder), "next": steps})
        return
    echo(f"{folder}: a package with {contents}. Next:")
    for step in steps:
        echo(f"  {step}")


def _write(name: str, kinds: tuple[str, ...], folder: Path) -> str:
    """Write the package; return its contents in words."""
    if not kinds:
        from nnplug_cli.scaffold import write_plugin

        write_plugin(name, folder)
        return "a planner, an architecture, a trainer and a recipe"
    from nnplug_cli.scaffold_kinds import write_kinds

    return ", ".join(write_kinds(name, kinds, folder))
