"""Report the progress of stages. The command renders it; libraries and tests stay silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[str], None]
"""Call it once per finished item, with a few words on the latest (a Dice, a case) or an empty string."""


class Progress(Protocol):
    """The receiver of progress, notices and warnings."""

    def task(self, title: str, total: int, *, done: int = 0) -> AbstractContextManager[Advance]:
        """Begin a task with `total` items, `done` of them finished by an earlier start."""
        ...

    def notice(self, message: str) -> None:
        """Say something that the user should know but need not act on."""
        ...

    def warning(self, message: str) -> None:
        """Say something that the user should look at."""
        ...


class Silent:
    """A `Progress` that says nothing."""

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:  # noqa: ARG002
        """Count nothing."""
        yield lambda _: None

    def notice(self, message: str) -> None:
        """Say nothing."""

    def warning(self, message: str) -> None:
        """Say nothing."""
