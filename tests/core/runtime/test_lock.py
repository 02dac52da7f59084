"""A lock that a dead process cannot keep, and that names the living."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from socket import gethostname

import pytest

from nnplug.errors import NnplugError
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


def test_who_comes_second_is_told_process_host_and_remedy(holder):
    file, process = holder
    with pytest.raises(NnplugError) as error, locked(file, what="runs/fold_0", patience=0.3):
        raise AssertionError
    line = str(error.value)
    assert line.startswith(f"runs/fold_0: is in work by process {process.pid} on {gethostname()}, since 2")
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


def test_an_error_in_the_block_leaves_no_trace(tmp_path):
    file = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), locked(file, what="x"):
        raise ZeroDivisionError
    with locked(file, what="x") as killed:
        assert killed is None


def test_a_file_that_was_cut_short_is_no_holder(tmp_path):
    (tmp_path / "lock").write_text('{"process": 1, "ho')
    with locked(tmp_path / "lock", what="x") as killed:
        assert killed is None
