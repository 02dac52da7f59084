"""Errors of users as one line each on stderr; any other error is a bug and prints its traceback."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import click

from nnplug.errors import NnplugError, worded
from nnplug.remedies import Action
from nnplug_cli.render import ReaderGone
from nnplug_cli.signals import Stopped, stoppable
from nnplug_cli.wrapping import message

INTERRUPTED = 130
"""The exit code of shells for a command that Ctrl-C stopped."""


@contextmanager
def reported_errors(table: Mapping[Action, str], *, verbose: Callable[[], bool]) -> Iterator[None]:
    """Print expected errors of the block as lines; exit with code 1, or 128 plus the number of a signal.

    Args:
        table: the words of the command line for remedies.
        verbose: called after an error; returns whether to show the traceback.
    """
    try:
        with stoppable(_report_slow_end):
            yield
    except NnplugError as error:
        _fail([worded(line, table) for line in error.lines], verbose=verbose())
    except KeyboardInterrupt as error:
        _print(f"interrupted {worded(error.args[0], table) if error.args else ''}".rstrip())
        sys.exit(INTERRUPTED)
    except Stopped as stop:
        _print(f"{stop}; finished work is kept; run the same command again")
        sys.exit(stop.exit_code)
    except RuntimeError as error:
        from nnplug.runtime.device_memory import lacks_memory

        if not lacks_memory(error):
            raise
        _fail([f"the GPU has too little memory ({str(error).splitlines()[0]})"], verbose=verbose())
    except OSError as error:
        if isinstance(error, ReaderGone) or (error.errno == errno.EPIPE and _reader_is_gone()):  # click leaves quietly
            raise
        _fail([_describe(error)], verbose=verbose())


def _report_slow_end() -> None:
    _print("ending: the current step ends, and unfinished files are removed")


def _reader_is_gone() -> bool:
    """Return whether the reader of this command's output has ended; other broken pipes are reported."""
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _fail(lines: Iterable[str], *, verbose: bool) -> None:
    if verbose:
        click.echo(traceback.format_exc(), err=True)
    for line in lines:
        _print(f"error: {line}")
    sys.exit(1)


def _print(text: str) -> None:
    click.echo(message(text, sys.stderr), err=True)


def _describe(error: OSError) -> str:
    what = error.strerror or str(error)
    line = f"{error.filename}: {what}" if error.filename is not None else what
    remedy = " Free some space, then run the same command again." if error.errno == errno.ENOSPC else ""
    return f"{line}.{remedy}"
