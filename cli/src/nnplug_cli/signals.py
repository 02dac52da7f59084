"""Signals that end a command: as Ctrl-C does, with what is being written put right and a line that says why."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

NAMES = ("SIGTERM", "SIGHUP")
"""What batch systems send at a time limit, and what a terminal sends that goes away; not every platform has both."""


class Stopped(BaseException):
    """The process is asked to end. No `Exception`: only what handles Ctrl-C may handle it."""

    def __init__(self, number: int) -> None:
        """Keep the signal."""
        super().__init__(number)
        self.signal = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """Return the exit code that shells give for a command that a signal ended."""
        return 128 + self.signal


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the block for signals that would end the process without a word; `nohup` is left alone."""
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
