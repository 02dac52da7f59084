"""Processes that are measured: they are started, asked, and their deaths told in a line."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from harness.memory import bytes_of, tree_bytes
from harness.row import Sample

SERVE = Path(__file__).with_name("serve.py")
_EVERY = 0.02
_SELDOM = 20  # looking at gigabytes takes milliseconds: at most a twentieth of the time goes into it
_PR_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h
_LAST_WORDS = 300
_PATIENCE = 5.0  # seconds in which a process that is told to end does so


class Died(Exception):
    """A measured process ended before it answered; the message says how, and its last words."""


class Served:
    """One side of a row in a process of its own; see `harness.serve`."""

    def __init__(self, python: Path, row: Path, side: str, values: Mapping[str, Any]) -> None:
        """Start it and wait until it is ready.

        Raises:
            Died: it ended instead.
        """
        self._name = f"{row.stem}: the process of {side!r} ({python})"
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has died
        command = [str(python), str(SERVE), str(row), side, json.dumps(values)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            start_new_session=True,
        )
        self._answer()

    def measure(self) -> Sample:
        """Have the work done once; raises as `__init__` does."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error
        return self._answer()

    def close(self) -> None:
        """End it, with what it has started; at work it is not waited for long."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        _kill(self._process.pid)
        self._process.wait()
        _bury(self._process.pid)
        self._said.close()

    def _answer(self) -> Sample:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._died()
        answer: Sample = json.loads(line)
        return answer

    def _died(self) -> Died:
        code = self._process.wait()
        return Died(f"{self._name} {how_it_ended(code)}: {last_words(self._said)}")


def run_commands(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str] | None = None, *, limit: float | None = None
) -> dict[str, float]:
    """Run commands one after the other; gives seconds, CPU seconds and the peak of memory, workers included.

    Args:
        commands: program and arguments.
        environment: variables on top of ours.
        limit: seconds after which a command is stopped, as intended.

    Raises:
        Died: one of them failed.
    """
    before, started, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    for command in commands:
        peak = max(peak, _run(command, environment, limit))
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": peak}


def output_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """What a command prints on stdout, with variables on top of ours; raises as `run_commands` does."""
    variables = {**os.environ, **(environment or {})}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            list(command), env=variables, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True
        )
        try:
            printed, _ = process.communicate()
        finally:
            _kill(process.pid)
            process.wait()
            _bury(process.pid)
        if process.returncode:
            raise Died(f"{' '.join(command)} {how_it_ended(process.returncode)}: {last_words(said)}")
    return printed


def _run(command: Sequence[str], environment: Mapping[str, str] | None, limit: float | None) -> int:
    """The peak of a command's memory in bytes."""
    variables = {**os.environ, **(environment or {})}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            list(command), env=variables, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        watch, clock = _PeakOf(process.pid), threading.Timer(limit or 0, _kill, [process.pid])
        if limit is not None:
            clock.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:  # also when the user has had enough
            in_time = limit is None or clock.is_alive()
            clock.cancel()
            _kill(process.pid)
            _bury(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode and in_time:
            raise Died(f"{' '.join(command)} {how_it_ended(process.returncode)}: {last_words(said)}")
        # rusage counts what the child was before it became the command: this process; so it is the second choice
        return watch.stop() or bytes_of(usage)


def _kill(process: int) -> None:
    """End a command that we started, and its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


def _bury(process: int) -> None:
    """Wait for the workers of an ended command that have become ours; see `adopt_orphans`."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-process, 0)


def adopt_orphans() -> None:
    """Become the parent of workers whose command is gone, so that their CPU time counts as ours; on Linux alone."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_by_exception() -> None:
    """Let SIGTERM, as `timeout` sends it, end us by SystemExit, so that what we have started is ended too."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


class _PeakOf:
    """Looks at a process tree's memory, again and again."""

    def __init__(self, root: int) -> None:
        self._root, self._peak, self._over = root, 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self._peak

    def _look(self) -> None:
        pause = _EVERY
        while not self._over.wait(pause):
            started = time.perf_counter()
            self._peak = max(self._peak, tree_bytes(self._root))
            pause = max(_EVERY, _SELDOM * (time.perf_counter() - started))


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"was killed by {name}{hint}"


def last_words(said: IO[bytes]) -> str:
    """The last line that a process printed."""
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][-_LAST_WORDS:] if lines else "it said nothing"


OWN_PYTHON = Path(sys.executable)
NNPLUG = str(OWN_PYTHON.with_name("nnplug"))
