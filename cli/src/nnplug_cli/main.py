"""The root of the command `nnplug`: global options, commands that are imported when used, errors as lines.

A command is a module of `nnplug_cli.commands` with a click command named `command`. Only the used command is imported,
so that `nnplug --help` is fast.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from nnplug.errors import did_you_mean
from nnplug_cli.context import Context, blocked
from nnplug_cli.failures import reported_errors
from nnplug_cli.remedies import REMEDIES

COMMANDS = {
    "demo": "Run the whole pipeline on phantom data.",
    "run": "Turn a dataset into a trained, validated model.",
    "dataset": "Convert folders in other layouts to datasets.",
    "verify": "Report every problem of a dataset.",
    "fingerprint": "Measure a dataset.",
    "plan": "Decide configurations from a fingerprint.",
    "split": "Choose the folds of cross-validation.",
    "preprocess": "Crop, normalise and resample every case.",
    "train": "Train one fold of one configuration.",
    "predict": "Segment new images with a model.",
    "evaluate": "Score predictions against references.",
    "rank": "Rank submissions by their summaries.",
    "ensemble": "Average the stored probabilities of several models.",
    "select": "Choose the best configuration or ensemble.",
    "overlay": "Draw label maps over their images.",
    "postprocess": "Fit a postprocessing rule, or apply one.",
    "model": "Export, import and show trained models.",
    "plugins": "List, check and write plugins.",
    "components": "List the components of the plugins.",
    "show": "Describe a component, its options and its origin.",
    "doctor": "Report the limits of this machine.",
    "bench": "Measure the parts of a training iteration.",
}
"""Every command with its one-line help, in the order of a project; a test compares them with the modules."""


class Commands(click.Group):
    """The commands, imported by name; expected errors become lines on stderr and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, without any import."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"nnplug_cli.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest name."""
        if args and args[0] not in COMMANDS and (hint := did_you_mean(args[0], COMMANDS)):
            ctx.fail(f"No such command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)

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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-p",
    "block",
    multiple=True,
    callback=_blocked,
    metavar="no:NAME",
    help="Do not load this plugin or distribution (also: NNPLUG_PLUGINS='no:a no:b').",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="nnplug", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, *, block: tuple[str, ...], verbose: bool) -> None:
    """Self-configuring medical image segmentation whose every part is a plugin's named component."""
    ctx.obj = Context(block, verbose=verbose)
    if block:  # so that every command refuses a misspelt name, not only those that use plugins
        _ = ctx.obj.plugins


if __name__ == "__main__":
    sys.exit(main())
