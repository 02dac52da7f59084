"""Errors that a user can act on. The command prints them as one line, without a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Self

from nnplug.remedies import Action, Remedy


class Line(str):
    """One line to a user: a problem, a notice or a warning, and its remedy.

    As a string it words the remedy for Python users. A command line words it by its own table, see `worded`.

    Attributes:
        text: the line without the remedy.
        remedy: what to do.
    """

    __slots__ = ("remedy", "text")
    text: str
    remedy: Remedy

    def __new__(cls, text: str, remedy: Remedy) -> Self:
        """Join text and remedy."""
        line = super().__new__(cls, _joined(text, str(remedy)))
        line.text, line.remedy = text, remedy
        return line

    def __reduce__(self) -> tuple[type[Line], tuple[str, Remedy]]:
        """Pickle both parts: lines come from other processes too."""
        return Line, (self.text, self.remedy)


def worded(line: str, table: Mapping[Action, str]) -> str:
    """Return a line whose remedy, if it has one, is worded by the table of a command line."""
    return _joined(line.text, line.remedy.words(table)) if isinstance(line, Line) else line


def without_remedy(line: str) -> str:
    """Return the text of a line."""
    return line.text if isinstance(line, Line) else line


def within(before: str, line: str, after: str = "") -> str:
    """Return a line with text before and after it; its remedy stays, at the end."""
    if isinstance(line, Line):
        return Line(f"{before}{line.text}{after}", line.remedy)
    return f"{before}{line}{after}"


def _joined(text: str, remedy: str) -> str:
    """Return a sentence after a full stop, any other remedy after a semicolon."""
    ended = text.endswith((".", "?", "!"))
    return f"{text} {remedy}" if ended else f"{text}{'. ' if remedy[:1].isupper() else '; '}{remedy}"


class NnplugError(Exception):
    """Something the user can mend; the message names the file or case and says how."""

    def __init__(self, message: str, remedy: Remedy | None = None) -> None:
        """Raise a message with a remedy that every command line words by its own commands and options."""
        super().__init__(message if remedy is None else Line(message, remedy))
        self.lines: tuple[str, ...] = tuple(self.args)


class UnknownComponent(NnplugError):
    """No plugin offers a component of that kind and name."""


class AmbiguousComponent(NnplugError):
    """Several distributions offer one name."""


class InvalidPlugin(NnplugError):
    """A plugin breaks the contract of `nnplug.hookspecs`."""


class ComponentFailed(NnplugError):
    """A component raised what only its authors can mend; the message names it and its distribution."""


class InvalidOptions(NnplugError):
    """A component was given an option that it does not have, or a value of the wrong type."""


class MissingProvider(NnplugError):
    """A run, plans file or bundle needs a component that this environment cannot give."""


class InvalidFile(NnplugError):
    """A file does not hold what its place promises; the message names the file and the offending value."""


class Problems(NnplugError):
    """Several problems found in one pass, one line each: users get the whole list, not the first entry."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Keep the lines apart for callers that render them one by one."""
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)

    def __reduce__(self) -> tuple[type[Problems], tuple[tuple[str, ...]], dict[str, object]]:
        """Pickle the lines with their remedies."""
        return type(self), (self.lines,), vars(self)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a misspelt one, None where none is like it."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return "Did you mean 'KNOWN'?" for a misspelt name, `otherwise` where no known name is like it."""
    close = nearest(name, known)
    return f"Did you mean {close!r}?" if close else otherwise
