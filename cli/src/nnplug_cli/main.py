"""The root of the `nnplug` command: global options, lazily imported commands, errors as lines.

A command is a module of `nnplug_cli.commands` whose click command is called `command`. It is imported when
somebody asks for it, so that `nnplug --help` costs nothing.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from nnplug.errors import NnplugError, Problems
from nnplug_cli.context import Context

COMMANDS = {
    "demo": "Run the whole pipeline on phantom data that it makes itself.",
    "run": "Turn a dataset into a trained, validated model.",
    "verify": "Report every problem of a dataset.",
    "fingerprint": "Measure a dataset.",
    "plan": "Decide configurations from a fingerprint.",
    "preprocess": "Crop, normalise and resample every case.",
    "train": "Train one fold of one configuration.",
    "predict": "Segment new images with a model.",
    "evaluate": "Score predictions against references.",
    "ensemble": "Average the stored probabilities of several models.",
    "postprocess": "Fit a postprocessing rule, or apply one.",
    "model": "Export, import and show trained models.",
    "plugins": "List, check and write plugins.",
    "components": "List what the plugins offer.",
    "show": "Describe a component, its options and its origin.",
}
"""Every command with its one-line help, in the order of a project; a test compares them with the modules."""

INTERRUPTED = 130
"""What shells give for a command that was stopped by Ctrl-C."""


class Commands(click.Group):
    """The commands, imported by name; expected errors become lines on stderr and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, without importing anything."""
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
        if args and args[0] not in COMMANDS and (close := get_close_matches(args[0], COMMANDS, n=1)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what users can cause is told in a line, all else is a bug and traces."""
        try:
            return super().invoke(ctx)
        except NnplugError as error:
            _fail(ctx, _lines(error))
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of a pipe went away; click leaves quietly
                raise
            _fail(ctx, [_describe(error)])


def _fail(ctx: click.Context, lines: Iterable[str]) -> None:
    """Print each line once, unwrapped, and leave."""
    if isinstance(ctx.obj, Context) and ctx.obj.verbose:
        click.echo(traceback.format_exc(), err=True)
    for line in lines:
        click.echo(f"error: {' '.join(line.splitlines())}", err=True)
    ctx.exit(1)


def _lines(error: NnplugError) -> Iterable[str]:
    return error.lines if isinstance(error, Problems) else [str(error)]


def _describe(error: OSError) -> str:
    what = error.strerror or str(error)
    line = f"{error.filename}: {what}" if error.filename is not None else what
    remedy = " Free some space, then run the same command again." if error.errno == errno.ENOSPC else ""
    return f"{line}.{remedy}"


def _blocked(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The plugins that -p and the environment block, both."""
    words = [w for text in (os.environ.get("NNPLUG_PLUGINS", ""), *values) for w in re.split(r"[\s,]+", text) if w]
    for word in words:
        if not word.startswith("no:") or word == "no:":
            raise click.BadParameter(f"expected no:NAME, got {word!r}", ctx=ctx, param=param)
    return tuple(word.removeprefix("no:") for word in words)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-p",
    "block",
    multiple=True,
    callback=_blocked,
    metavar="no:NAME",
    help="Do not load this plugin or distribution (also: NNPLUG_PLUGINS='no:a no:b').",
)
@click.option("-v", "--verbose", is_flag=True, help="Show where an error came from.")
@click.version_option(package_name="nnplug", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, *, block: tuple[str, ...], verbose: bool) -> None:
    """Self-configuring medical image segmentation whose every part is a plugin's named component."""
    ctx.obj = Context(block, verbose=verbose)
    if block:  # a misspelt name must not be found out only by the commands that use plugins
        _ = ctx.obj.plugins


if __name__ == "__main__":
    sys.exit(main())
