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
    """Leave stdout to `print_json` while the command runs: what plugins and libraries print goes to stderr."""
    if value:
        ctx.meta[_STDOUT] = sys.stdout
        ctx.with_resource(redirect_stdout(sys.stderr))
    return value


def print_json(data: Any) -> None:
    """Print JSON; floats that JSON does not know come as NaN and Infinity, as Python reads them."""
    ctx = click.get_current_context(silent=True)
    click.echo(json.dumps(data, indent=2), file=ctx.meta.get(_STDOUT) if ctx else None)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that folds its cells on a terminal; elsewhere a line per row, neither cut nor wrapped."""
    if sys.stdout.isatty():
        _rich_table(columns, rows)
    else:
        for line in plain_table(columns, rows):
            click.echo(line)


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The header and a line per row, columns aligned and two blanks apart."""
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
