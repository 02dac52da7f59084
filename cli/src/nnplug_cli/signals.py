"""Signals that end a command like Ctrl-C: unfinished files are cleaned up, and a line gives the reason."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

NAMES = ("SIGTERM", "SIGHUP")
"""The signals of a batch system's time limit and of a closed terminal; some platforms lack one of them."""


class Stopped(BaseException):
    """A signal to end the process. It is no `Exception`, so that only handlers of Ctrl-C catch it."""

    def __init__(self, number: int) -> None:
        """Store the signal."""
        super().__init__(number)
        self.signal = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """The exit code of shells for a command that this signal ended."""
        return 128 + self.signal


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the block for signals that would end the process silently; `nohup` keeps its effect."""
    ours = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    ours = [number for number in ours if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # only the main thread may handle signals
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - Python's signature
    raise Stopped(number)
