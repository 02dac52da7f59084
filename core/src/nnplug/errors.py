"""Errors that a user can act on. The command prints them as one line, without a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class NnplugError(Exception):
    """Something the user can mend; the message names the file or case and says how."""


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


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a misspelt one, None where none is like it."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return "Did you mean 'KNOWN'?" for a misspelt name, `otherwise` where no known name is like it."""
    close = nearest(name, known)
    return f"Did you mean {close!r}?" if close else otherwise
