"""Results on stdout: tables for people, lines for pipes, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO

import click

from nnplug_cli.wrapping import message, terminal_width

_STDOUT = f"{__name__}.stdout"
_ROWS = 25


class ReaderGone(BrokenPipeError):
    """The error that the reader of this command's results has ended."""


def results_alone(ctx: click.Context, param: click.Parameter, value: bool) -> bool:  # noqa: ARG001, FBT001 - click's
    """Keep stdout for `echo`, `print_json` and `print_table` until the command ends; return the value."""
    ctx.meta[_STDOUT] = ctx.with_resource(nothing_on_stdout())
    return value


@contextmanager
def nothing_on_stdout() -> Iterator[TextIO]:
    """Send what plugins, libraries and their processes write to stdout to stderr; yield a file for results.

    The file writes to the stdout of before. The descriptor 1 changes, too, for processes and `os.write(1, ..)`.
    """
    stdout = sys.stdout
    if not _is_descriptor_1(stdout):  # of a test or of a caller, who keeps it
        with redirect_stdout(sys.stderr):
            yield stdout
        return
    stdout.flush()
    before = os.dup(1)
    results = open(os.dup(1), "w", encoding=stdout.encoding, errors=stdout.errors)  # noqa: PTH123, SIM115 - no path
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield results
    finally:
        with suppress(OSError):  # nobody reads the rest; `echo` has told so
            results.close()
        os.dup2(before, 1)
        os.close(before)


def _is_descriptor_1(file: TextIO) -> bool:
    try:
        return file.fileno() == 1
    except (OSError, ValueError, AttributeError):
        return False


def _results() -> TextIO:
    ctx = click.get_current_context(silent=True)
    kept: TextIO | None = ctx.meta.get(_STDOUT) if ctx else None
    return kept or sys.stdout


def echo(text: str = "") -> None:
    """Print a line of results.

    Raises:
        ReaderGone: nobody reads them any more.
    """
    try:
        click.echo(text, file=_results())
    except BrokenPipeError as error:
        raise ReaderGone(*error.args) from error


def echo_message(text: str) -> None:
    """Print a message among the results: wrapped on a terminal, elsewhere one line."""
    echo(message(text, _results()))


def print_json(data: Any) -> None:
    """Print JSON; NaN and infinite values become NaN and Infinity, which Python's json module reads."""
    echo(json.dumps(data, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that wraps its cells on a terminal; elsewhere one line per row, neither cut nor wrapped."""
    if _results().isatty():
        _rich_table(columns, rows)
    else:
        for line in plain_table(columns, rows):
            echo(line)


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the header and one line per row; columns are aligned and two blanks apart."""
    lines = [tuple(columns), *(tuple(" ".join(cell.splitlines()) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    width = terminal_width(_results())
    height = None if width is None else _ROWS  # without one, rich takes 80 columns for TERM=dumb
    Console(file=_results(), width=width, height=height).print(table)


def counted(number: int, thing: str) -> str:
    """Return a number with its noun, such as "1 case" and "2 cases"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
