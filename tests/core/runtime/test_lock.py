"""A lock that a dead process cannot keep, and that names the living."""

from __future__ import annotations

import errno
import getpass
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from socket import gethostname

import pytest

from nnplug.errors import NnplugError
from nnplug.remedies import Action
from nnplug.runtime import lock
from nnplug.runtime.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from nnplug.runtime.lock import locked
with locked(Path(sys.argv[1]), what="x"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a file."""
    file = tmp_path / "runs" / ".fold_0.lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield file, process
    process.kill()
    process.wait()


def test_who_comes_second_is_told_process_user_host_and_remedy(holder):
    file, process = holder
    with pytest.raises(NnplugError) as error, locked(file, what="runs/fold_0", patience=0.3):
        raise AssertionError
    line = str(error.value)
    user = getpass.getuser()
    assert line.startswith(
        f"runs/fold_0: is in use by process {process.pid} of user {user} on {gethostname()}, since 2"
    )
    assert line.endswith("Wait until that has ended, or end it, then run the same command again.")


def test_a_killed_process_blocks_nobody_and_is_told(holder):
    file, process = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    with locked(file, what="x") as killed:
        assert (killed.process, killed.host) == (process.pid, gethostname())
        assert json.loads(file.read_text())["process"] == os.getpid()
    with locked(file, what="x") as killed:
        assert killed is None


def test_one_that_is_just_ending_is_waited_for(holder):
    file, process = holder
    os.kill(process.pid, signal.SIGSTOP)
    subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {process.pid}"])
    began = time.monotonic()
    with locked(file, what="x", patience=30):
        assert time.monotonic() - began > 0.2


FAILURES = [
    (NnplugError("case_1: wrong", Action.USE_ANY_DEVICE()), "case_1: wrong"),
    (ZeroDivisionError("by\nzero"), "ZeroDivisionError: by zero"),
    (KeyboardInterrupt(), "interrupted"),
    (SystemExit("stopped by SIGTERM"), "stopped by SIGTERM"),
]


@pytest.mark.parametrize(("error", "line"), FAILURES, ids=[line for _, line in FAILURES])
def test_an_error_in_the_block_is_noted_until_the_next_process(tmp_path, error, line):
    file = tmp_path / "lock"
    with pytest.raises(type(error)), locked(file, what="x"):
        raise error
    use = lock.lock_use(file)
    assert (use.is_held, use.holder.failure, use.holder.process) == (False, line, os.getpid())
    with locked(file, what="x") as killed:
        assert killed is None
        assert lock.lock_use(file).holder.failure is None
    assert lock.lock_use(file).holder is None


def test_a_file_that_was_cut_short_is_no_holder(tmp_path):
    (tmp_path / "lock").write_text('{"process": 1, "ho')
    with locked(tmp_path / "lock", what="x") as killed:
        assert killed is None


def test_a_holder_of_an_earlier_version_has_no_user(tmp_path):
    (tmp_path / "lock").write_text('{"process": 1, "host": "node3", "since": "2026-01-01T00:00:00+00:00"}')
    with locked(tmp_path / "lock", what="x") as killed:
        assert str(killed) == "process 1 on node3, since 2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("there", ["runs/.fold_0.lock", "runs"])
def test_a_lock_that_may_not_be_written_names_user_and_owner(tmp_path, monkeypatch, there):
    file, denied = tmp_path / "runs" / ".fold_0.lock", tmp_path / there
    file.parent.mkdir()
    if denied == file:
        file.touch()

    def deny(path, *args, **kwargs):  # as the kernel does to all but root, whom tests may run as
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(NnplugError) as error, locked(file, what="runs/fold_0"):
        raise AssertionError
    me = getpass.getuser()
    assert str(error.value) == (
        f"runs/fold_0: cannot be locked, since user {me} may not write {denied} (owner {me}). Ask its owner for "
        "permission to write, or use a workspace of your own."
    )


def test_a_lock_below_a_file_is_refused(tmp_path):
    (tmp_path / "runs").touch()
    with (
        pytest.raises(NnplugError, match="cannot be written .* A file is where"),
        locked(tmp_path / "runs" / "x", what="x"),
    ):
        raise AssertionError


def test_a_file_system_without_locks_locks_nothing(holder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "lock_descriptor", refuse)
    file, _ = holder
    with locked(file, what="x", patience=0):
        pass


def test_other_errors_of_locking_are_not_hidden(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(lock, "lock_descriptor", refuse)
    with (
        pytest.raises(NnplugError, match=r"lock: cannot be written \(Input/output error\)"),
        locked(tmp_path / "lock", what="x"),
    ):
        raise AssertionError


def test_the_lock_file_of_another_user_is_locked_without_being_written(tmp_path, monkeypatch):
    file = tmp_path / ".fold_0.lock"
    file.write_text("")
    opened = Path.open

    def deny(path, mode="r", *args, **kwargs):  # as the kernel does to all but root, whom tests may run as
        if path == file and mode != "r":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", deny)
    with locked(file, what="runs/fold_0"):
        with (
            pytest.raises(NnplugError, match="runs/fold_0: is in use by another process"),
            locked(file, what="runs/fold_0", patience=0),
        ):
            raise AssertionError
        assert file.read_text() == ""


def test_a_full_disk_takes_the_note_but_not_the_lock(tmp_path, monkeypatch):
    def full(descriptor, value):
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / ".fold_0.lock"
    for name in ("write", "ftruncate"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            told = pytest.raises(NnplugError, match="x: is in use by another process")
            with locked(file, what="x"), told, locked(file, what="x", patience=0):
                raise AssertionError
    with locked(file, what="x") as killed:
        assert killed is None
