"""The words by which users name a model of the Hub: OWNER/NAME, or OWNER/NAME@REVISION."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nnplug.errors import NnplugError

SCHEME = "hf"
_FORM = re.compile(r"(?P<repository>[\w][\w.-]*/[\w][\w.-]*)(?:@(?P<revision>[\w][\w./-]*))?")


@dataclass(frozen=True)
class Reference:
    """A model of the Hub.

    Attributes:
        repository: OWNER/NAME.
        revision: a branch, tag or commit; None for the newest state of the main branch.
    """

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        """Return the words of the user."""
        return f"{SCHEME}:{self.repository}{f'@{self.revision}' if self.revision else ''}"


def parse_reference(text: str) -> Reference:
    """Return the model that a text names, with or without the scheme.

    Raises:
        NnplugError: the text has another form.
    """
    found = _FORM.fullmatch(text.removeprefix(f"{SCHEME}:"))
    if found is None:
        raise NnplugError(f"{text!r} names no model; expected {SCHEME}:OWNER/NAME or {SCHEME}:OWNER/NAME@REVISION")
    return Reference(found["repository"], found["revision"])
