"""Progress, notices and warnings of long work. The command line shows them; the library shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

Advance = Callable[[str], None]
"""A function to call once per finished item, with a few words on the item (a Dice, a case) or an empty string."""


@runtime_checkable
class Progress(Protocol):
    """The receiver of progress, notices and warnings."""

    def task(self, title: str, total: int, *, done: int = 0) -> AbstractContextManager[Advance]:
        """Begin a task with `total` items; an earlier start has finished `done` of them."""
        ...

    def notice(self, message: str) -> None:
        """Report a message that needs no action of the user."""
        ...

    def warning(self, message: str) -> None:
        """Report a message that the user should check."""
        ...


class Silent:
    """A `Progress` that reports nothing."""

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:  # noqa: ARG002
        """Yield a function that does nothing."""
        yield lambda _: None

    def notice(self, message: str) -> None:
        """Do nothing."""

    def warning(self, message: str) -> None:
        """Do nothing."""
