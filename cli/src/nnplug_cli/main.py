"""The root of the command `nnplug`: global options, commands that are imported when used, errors as lines.

A command is a module of `nnplug_cli.commands` with a click command named `command`. Only the used command is imported,
so that `nnplug --help` is fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from nnplug.registry.installed import installed_distributions
from nnplug_cli.command_names import COMMANDS
from nnplug_cli.context import Context, blocked
from nnplug_cli.failures import reported_errors
from nnplug_cli.plugin_commands import ExtensibleGroup, context_of
from nnplug_cli.remedies import REMEDIES


class Commands(ExtensibleGroup):
    """The commands, imported by name; expected errors become lines on stderr and exit code 1."""

    def own(self, limit: int = 0) -> Mapping[str, str]:  # noqa: ARG002 - the lines are short
        """Return every command of ours with its one-line help, without any import."""
        return COMMANDS

    def own_command(self, name: str) -> click.Command:
        """Import a command's module."""
        command: click.Command = import_module(f"nnplug_cli.commands.{name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of the user becomes one line, any other error is a bug and prints its traceback."""
        with reported_errors(REMEDIES, verbose=lambda: isinstance(ctx.obj, Context) and ctx.obj.verbose):
            return super().invoke(ctx)


def _blocked(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the plugins that -p and the environment block."""
    try:
        return blocked((os.environ.get("NNPLUG_PLUGINS", ""), *values))
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from error


def _show_versions(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:  # noqa: ARG001, FBT001 - click's
    """Print nnplug's version, then a line for each other distribution, and exit."""
    if not wanted or ctx.resilient_parsing:
        return
    found = installed_distributions()
    first = ["nnplug"] if "nnplug" in found else []
    for name in (*first, *(name for name in found if name not in first)):
        click.echo(f"{name} {found[name]}")
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-p",
    "block",
    multiple=True,
    is_eager=True,  # before --help, which lists the commands of the plugins that are not blocked
    callback=_blocked,
    metavar="no:NAME",
    help="Do not load this plugin or distribution (also: NNPLUG_PLUGINS='no:a no:b').",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_versions,
    help="Show the versions of nnplug and of every installed plugin and exit.",
)
@click.pass_context
def main(ctx: click.Context, *, block: tuple[str, ...], verbose: bool) -> None:  # noqa: ARG001 - in `context_of`
    """Self-configuring medical image segmentation whose every part is a plugin's named component."""
    ctx.obj = context_of(ctx)
    if block:  # so that every command refuses a misspelt name, not only those that use plugins
        _ = ctx.obj.plugins


if __name__ == "__main__":
    sys.exit(main())
