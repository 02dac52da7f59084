"""Errors that a user can remedy. The command prints them as one line each."""

from __future__ import annotations

from collections.abc import Sequence


class Fault(Exception):
    """An error that the user can remedy; the message names the file or case, the value and the remedy."""


class Faults(Fault):
    """Several errors, one line each."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Store the lines."""
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)
