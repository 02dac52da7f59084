"""Messages that are wrapped to the width of a terminal, and stay one line elsewhere, for grep and for logs."""

from __future__ import annotations

import os
import textwrap
from contextlib import suppress
from typing import TextIO

_NARROWEST = 20
"""Columns; a terminal that says less is not believed."""
_INDENT = "  "


def one_line(text: str) -> str:
    """Return a message as one line."""
    return " ".join(text.splitlines())


def message(text: str, file: TextIO) -> str:
    """Return a message as it is printed to a file: wrapped at blanks on a terminal, one line elsewhere.

    Paths and other long words are not broken, so that they can be copied.
    """
    return wrapped(text, terminal_width(file))


def wrapped(text: str, width: int | None) -> str:
    """Return a message in lines of at most `width` columns; None for one line."""
    line = one_line(text)
    if width is None or len(line) <= width:
        return line
    lines = textwrap.wrap(
        line, max(width, _NARROWEST), subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def terminal_width(file: TextIO) -> int | None:
    """Return the columns of a file that is a terminal; None for any other file."""
    if not file.isatty():
        return None
    with suppress(KeyError, ValueError):
        return int(os.environ["COLUMNS"])
    with suppress(OSError, ValueError):
        return os.get_terminal_size(file.fileno()).columns
    return None
