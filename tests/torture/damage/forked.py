"""Run commands in forks of a process that has imported everything: a hundredth of a second instead of seconds."""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from io import FileIO, TextIOWrapper
from pathlib import Path

RESERVE = 3 << 30
"""The address space that a command may take besides what its imports take, bytes."""
POLL = 0.005


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: the exit code; minus the number of the signal that ended it; None if it took too long.
        seconds: wall-clock time.
        grown: the memory that it took at most, beyond that of its imports, bytes.
        stdout, stderr: what it printed.
    """

    code: int | None
    seconds: float
    grown: int
    stdout: str
    stderr: str


def run_forked(words: Sequence[str], folder: Path, *, limit: float) -> Outcome:
    """Run a command of ours in a fork of this process.

    Args:
        words: the command line; the first word is `nnplug` or a command of nnU-Net.
        folder: the folder in which it runs; what it prints is in a file beside it.
        limit: seconds until it is killed.
    """
    out, err = folder.with_name(f"{folder.name}.out"), folder.with_name(f"{folder.name}.err")
    before, start = _resident(), time.monotonic()
    child = os.fork()
    if child == 0:
        _become(words, folder, out, err)
    code, peak = _waited(child, start + limit)
    return Outcome(code, time.monotonic() - start, max(0, peak - before), _text(out), _text(err))


def run_apart(words: Sequence[str], folder: Path, *, limit: float) -> Outcome:
    """Run the installed command, as users do; memory is limited but not measured."""
    import subprocess

    start = time.monotonic()
    line = [Path(sys.executable).parent / words[0], *words[1:]]
    try:
        done = subprocess.run(line, cwd=folder, capture_output=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return Outcome(None, limit, 0, "", "")
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    return Outcome(done.returncode, time.monotonic() - start, 0, out, err)


def import_all(lines: Sequence[str], scene: Path) -> None:
    """Import what commands import, found out by running them once in a fork, so that later forks need not.

    Raises:
        RuntimeError: a command fails, though nothing is damaged.
    """
    folder, found = scene.with_name("undamaged"), scene.with_name("modules")
    failed = []
    for line in lines:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(scene, folder)
        child = os.fork()
        if child == 0:
            os.environ["MODULES"] = str(found)
            _become(line.split(), folder, folder.with_name("first.out"), folder.with_name("first.err"))
        code, _ = _waited(child, time.monotonic() + 300)
        if code:
            failed.append(f"{line}: {_text(folder.with_name('first.err'))}")
            continue
        for name in pickle.loads(found.read_bytes()):
            if name not in sys.modules and not name.startswith("__"):
                try:
                    import_module(name)
                except ImportError:
                    continue  # modules that others make under another name
    if failed:
        raise RuntimeError("\n".join(failed))


def _become(words: Sequence[str], folder: Path, out: Path, err: Path) -> None:
    """Run a command in this process, which ends with it."""
    for number, path in ((1, out), (2, err)):
        handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(handle, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = (_stream(number) for number in (1, 2))
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
    os.chdir(folder)
    faulthandler.enable(sys.stderr)
    if "MODULES" not in os.environ:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + RESERVE, size + RESERVE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = _called(words)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if "MODULES" in os.environ:
        Path(os.environ["MODULES"]).write_bytes(pickle.dumps(list(sys.modules)))
    os._exit(code)


def _stream(number: int) -> TextIOWrapper:
    """Return a text stream to a descriptor of this process, which stays open."""
    return TextIOWrapper(FileIO(number, "w", closefd=False), line_buffering=True, errors="backslashreplace")


def _called(words: Sequence[str]) -> int:
    from importlib.metadata import entry_points

    sys.argv = list(words)
    (script,) = entry_points(group="console_scripts", name=words[0])
    try:
        script.load()()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - what it is, the judge decides
        traceback.print_exc()
        return 1
    return 0


def _waited(child: int, end: float) -> tuple[int | None, int]:
    """Return exit code and largest memory of a child, which is killed at the end of its time."""
    killed = False
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return None if killed else os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10
        if time.monotonic() > end and not killed:
            os.kill(child, signal.SIGKILL)
            killed = True
        time.sleep(POLL)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace") if path.exists() else ""
