"""Errors that a user can remedy. The command prints them as one line, without a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Self

from nnplug.remedies import Action, Remedy


class Line(str):
    """One line for the user, with its remedy: a problem, a notice or a warning.

    As a string it has the remedy in words for Python users. A command line has words of its own, see `worded`.

    Attributes:
        text: the line without the remedy.
        remedy: the remedy.
    """

    __slots__ = ("remedy", "text")
    text: str
    remedy: Remedy

    def __new__(cls, text: str, remedy: Remedy) -> Self:
        """Return the line made of text and remedy."""
        line = super().__new__(cls, _joined(text, str(remedy)))
        line.text, line.remedy = text, remedy
        return line

    def __reduce__(self) -> tuple[type[Line], tuple[str, Remedy]]:
        """Pickle both parts, because lines also come from other processes."""
        return Line, (self.text, self.remedy)


def worded(line: str, table: Mapping[Action, str]) -> str:
    """Return a line with its remedy, if any, in the words of a command line's table."""
    return _joined(line.text, line.remedy.words(table)) if isinstance(line, Line) else line


def without_remedy(line: str) -> str:
    """Return the text of a line."""
    return line.text if isinstance(line, Line) else line


def within(before: str, line: str, after: str = "") -> str:
    """Return a line with text before and after it; its remedy stays at the end."""
    if isinstance(line, Line):
        return Line(f"{before}{line.text}{after}", line.remedy)
    return f"{before}{line}{after}"


def _joined(text: str, remedy: str) -> str:
    """Return text and remedy, joined by a full stop if the remedy is a sentence, else by a semicolon."""
    ended = text.endswith((".", "?", "!"))
    return f"{text} {remedy}" if ended else f"{text}{'. ' if remedy[:1].isupper() else '; '}{remedy}"


class Interruption(BaseException):
    """A request to end the process that is no Ctrl-C. Code that catches the exceptions of plugins re-raises it."""


class NnplugError(Exception):
    """An error that the user can remedy; the message names the file or case and the remedy."""

    def __init__(self, message: str, remedy: Remedy | None = None) -> None:
        """Raise a message with a remedy that every command line words by its own commands and options."""
        super().__init__(message if remedy is None else Line(message, remedy))
        self.lines: tuple[str, ...] = tuple(self.args)


class UnknownComponent(NnplugError):
    """The error that no plugin offers a component of a kind and name."""


class AmbiguousComponent(NnplugError):
    """The error that several distributions offer one name."""


class InvalidPlugin(NnplugError):
    """The error that a plugin breaks the contract of `nnplug.hookspecs`."""


class ComponentFailed(NnplugError):
    """The error that a component failed and only its authors can remedy it; the message names its distribution."""


class OutOfResources(NnplugError):
    """The error that memory or a file failed a component; the message names the component, and the file if known."""


class InvalidOptions(NnplugError):
    """The error that an option is unknown to its component, or has a value of the wrong type."""


class MissingProvider(NnplugError):
    """The error that a run, plans or a bundle needs a component that is not installed here."""


class InvalidFile(NnplugError):
    """The error that a file is missing or has invalid content; the message names the file and the value."""


class _Lines(NnplugError):
    """An error with several lines."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Store the lines for callers that print them one by one."""
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[str, ...]], dict[str, object]]:
        """Pickle the lines with their remedies."""
        return type(self), (self.lines,), vars(self)


class InvalidDescription(_Lines, InvalidFile):
    """All faults of one file, one line each."""


class Problems(_Lines):
    """Several problems that were found in one pass, one line each: users get the whole list at once."""


def rename(error: NnplugError, old: str, new: str) -> None:
    """Replace a text in all lines of an error, such as a temporary folder by the file that was unpacked there."""
    error.lines = tuple(_replaced(line, old, new) for line in error.lines)
    error.args = tuple(_replaced(text, old, new) for text in error.args)


def _replaced(line: str, old: str, new: str) -> str:
    if isinstance(line, Line):
        return Line(line.text.replace(old, new), line.remedy)
    return line.replace(old, new)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to a misspelt one, or None if no name is similar."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def closest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the known names that are similar to a misspelt one in small or capital letters, the closest first."""
    spelt = {one.lower(): one for one in known}
    return [spelt[one] for one in get_close_matches(name.lower(), list(spelt), n=most)]


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return "Did you mean 'KNOWN'?" for a misspelt name, or `otherwise` if no known name is similar."""
    close = nearest(name, known)
    return f"Did you mean {close!r}?" if close else otherwise
