"""Signals that end a command: unfinished files are cleaned up, and lines give the reason and tell a slow end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

from nnplug.errors import Interruption

PATIENCE = 1.0
"""Seconds after which a command that was asked to end, and has not ended, says that it is ending."""
_AGAIN = 0.05  # seconds after which a signal is sent again whose exception was lost
_Handler = Callable[[int, FrameType | None], object] | signal.Handlers
_DEFAULTS: Mapping[str, _Handler] = {
    "SIGINT": signal.default_int_handler,
    "SIGTERM": signal.SIG_DFL,
    "SIGHUP": signal.SIG_DFL,
}
"""Ctrl-C, a batch system's time limit and a closed terminal, with Python's handlers; some platforms lack one."""


class Stopped(Interruption):
    """A signal to end the process."""

    def __init__(self, number: int) -> None:
        """Store the signal."""
        self.signal = signal.Signals(number)
        super().__init__(f"stopped by {self.signal.name}")

    @property
    def exit_code(self) -> int:
        """The exit code of shells for a command that this signal ended."""
        return 128 + self.signal


@contextmanager
def stoppable(tell_slow_end: Callable[[], None]) -> Iterator[None]:
    """Raise `Stopped` in the block for signals that would end the process silently, KeyboardInterrupt for Ctrl-C.

    Signals that something else handles or ignores stay as they are, such as those that `nohup` ignores. An exception
    that reaches the code of a destructor or a weak reference is ignored by Python: the signal is then sent again.

    Args:
        tell_slow_end: called once, in another thread, if the block has not ended soon after a signal.
    """
    told = threading.Timer(PATIENCE, tell_slow_end)
    told.daemon = True
    lost = _Lost()

    def stop(number: int, frame: FrameType | None) -> None:
        lost.clear()
        if not told.is_alive() and not told.finished.is_set():
            with suppress(RuntimeError):  # no thread can start: the end is told alone
                told.start()
        if number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        raise Stopped(number)

    ours = {getattr(signal, name): handler for name, handler in _DEFAULTS.items() if hasattr(signal, name)}
    ours = {number: handler for number, handler in ours.items() if signal.getsignal(number) is handler}
    if threading.current_thread() is not threading.main_thread():
        ours = {}  # only the main thread may handle signals
    for number in ours:
        signal.signal(number, stop)
    hook, sys.unraisablehook = sys.unraisablehook, lost.hook(sys.unraisablehook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        told.cancel()
        error = lost.clear()
        for number, handler in ours.items():
            signal.signal(number, handler)
    if error is not None:  # the block ended before the signal came again
        raise error


class _Lost:
    """A signal whose exception Python ignored, until it has come again."""

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._again: threading.Timer | None = None

    def hook(self, other: Callable[[sys.UnraisableHookArgs], object]) -> Callable[[sys.UnraisableHookArgs], None]:
        """Return a hook for exceptions that Python ignores: it sends a lost signal again, and passes on all others."""

        def ignored(what: sys.UnraisableHookArgs) -> None:
            error = what.exc_value
            if not isinstance(error, KeyboardInterrupt | Stopped):
                other(what)
                return
            number = error.signal if isinstance(error, Stopped) else signal.SIGINT
            self._error, self._again = error, threading.Timer(_AGAIN, os.kill, (os.getpid(), number))
            self._again.daemon = True
            self._again.start()

        return ignored

    def clear(self) -> BaseException | None:
        """Forget the lost signal, which will not be sent again; return its exception."""
        error, again, self._error, self._again = self._error, self._again, None, None
        if again is not None:
            again.cancel()
        return error
