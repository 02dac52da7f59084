"""Results on stdout: tables for people, lines for pipes, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import click

_STDOUT = f"{__name__}.stdout"


def json_alone(ctx: click.Context, param: click.Parameter, value: bool) -> bool:  # noqa: ARG001, FBT001 - click's
    """Send prints of plugins and libraries to stderr, so that stdout has only the JSON of `print_json`."""
    if value:
        ctx.meta[_STDOUT] = sys.stdout
        ctx.with_resource(redirect_stdout(sys.stderr))
    return value


def print_json(data: Any) -> None:
    """Print JSON; NaN and infinite values become NaN and Infinity, which Python's json module reads."""
    ctx = click.get_current_context(silent=True)
    click.echo(json.dumps(data, indent=2), file=ctx.meta.get(_STDOUT) if ctx else None)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that wraps its cells on a terminal; elsewhere one line per row, neither cut nor wrapped."""
    if sys.stdout.isatty():
        _rich_table(columns, rows)
    else:
        for line in plain_table(columns, rows):
            click.echo(line)


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
    Console().print(table)
