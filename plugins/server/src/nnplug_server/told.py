"""The warnings of a prediction, for its client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from nnplug.runtime.progress import Advance, Progress


class Told(Progress):
    """A `Progress` that collects what a model reports about the present image, and passes on other messages.

    One image is predicted at a time.
    """

    def __init__(self, server: Progress) -> None:
        """Pass messages outside of predictions to `server`."""
        self._server = server
        self._lines: list[str] | None = None

    @contextmanager
    def collected(self) -> Iterator[list[str]]:
        """Yield the list that gets the messages while the block runs."""
        self._lines = []
        try:
            yield self._lines
        finally:
            self._lines = None

    def task(self, title: str, total: int, *, done: int = 0) -> AbstractContextManager[Advance]:
        """See `Progress.task`."""
        return self._server.task(title, total, done=done)

    def notice(self, message: str) -> None:
        """See `Progress.notice`."""
        if self._lines is None:
            self._server.notice(message)
        else:
            self._lines.append(message)

    def warning(self, message: str) -> None:
        """See `Progress.warning`."""
        if self._lines is None:
            self._server.warning(message)
        else:
            self._lines.append(message)
