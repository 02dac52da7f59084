"""Progress for Python users: calls of one function, and the logger "nnplug" for notices and warnings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nnplug.runtime.progress import Advance, Silent

LOGGER = "nnplug"
"""The name of the logger. Without a handler, Python prints warnings to stderr and leaves notices out."""


class Logged(Silent):
    """A `Progress` that shows no task; notices (INFO) and warnings (WARNING) go to the logger "nnplug"."""

    def notice(self, message: str) -> None:
        """See `Progress.notice`."""
        logging.getLogger(LOGGER).info("%s", message)

    def warning(self, message: str) -> None:
        """See `Progress.warning`."""
        logging.getLogger(LOGGER).warning("%s", message)


class Calls(Logged):
    """A `Progress` that calls a function; notices and warnings go to the logger "nnplug"."""

    def __init__(self, call: Callable[[str, int, int, str], None]) -> None:
        """Take a function of title, finished items, all items, and a few words on the latest item.

        It is called at the beginning of each task and after each item, perhaps in another thread.
        """
        self._call = call

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
        """See `Progress.task`."""
        finished = done
        self._call(title, finished, total, "")

        def advance(latest: str) -> None:
            nonlocal finished
            finished += 1
            self._call(title, finished, total, latest)

        yield advance
