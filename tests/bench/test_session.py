"""Measured processes: their answers, their memory, and what is said when they die."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest


def test_a_side_answers_again_and_again(tiny):
    from harness.session import Served

    file, _ = tiny("ours", "ours")
    side = Served(Path(sys.executable), file, "ours", {"sleep": 0.01})
    samples = [side.measure(), side.measure()]
    side.close()
    assert all(sample["seconds"] >= 0.01 for sample in samples)
    assert set(samples[0]) == {"seconds", "cpu_seconds", "extra_bytes"}


def test_a_death_at_the_start_is_a_line(tiny):
    from harness.session import Died, Served

    file, _ = tiny("ours", "theirs")
    with pytest.raises(Died, match=r"tiny: the process of 'theirs' \(.*\) ended with exit code 1: nothing to compare"):
        Served(Path(sys.executable), file, "theirs", {"sleep": 0})


def test_a_death_at_work_is_a_line(tiny):
    from harness.session import Died, Served

    file, _ = tiny("dies", "ours")
    side = Served(Path(sys.executable), file, "ours", {"sleep": 0})
    with pytest.raises(Died, match=r"was killed by SIGKILL \(out of memory\?\): too much to hold"):
        side.measure()


HOLD = "import time; held = bytearray(100_000_000); time.sleep(0.3)"
WITH_CHILD = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {HOLD!r}])"

FORKS = "import os, time; held = bytearray(b'1') * 100_000_000; [os.fork() for _ in range(2)]; time.sleep(0.3)"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the memory of workers")
@pytest.mark.parametrize("code", [HOLD, WITH_CHILD, FORKS])
def test_memory_of_a_command_with_its_workers(code):
    from harness.session import run_commands

    sample = run_commands([[sys.executable, "-c", code]])
    assert 100e6 < sample["peak_bytes"] < 300e6
    assert sample["seconds"] >= 0.3


def test_a_command_that_fails_is_a_line():
    from harness.session import Died, output_of, run_commands

    command = [sys.executable, "-c", "raise SystemExit('no such file')"]
    with pytest.raises(Died, match="ended with exit code 1: no such file"):
        run_commands([command])
    with pytest.raises(Died, match="ended with exit code 1: no such file"):
        output_of(command)


def test_a_command_is_stopped_with_its_workers_when_its_time_is_over():
    from harness.session import run_commands

    slow = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {'import time; time.sleep(60)'!r}])"
    assert run_commands([[sys.executable, "-c", slow]], limit=0.5)["seconds"] < 30


def test_what_a_command_prints():
    from harness.session import output_of

    assert output_of([sys.executable, "-c", "print('words')"]) == "words\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux gives orphans to us")
def test_the_work_of_a_command_that_was_stopped_counts_as_ours():
    adopting = """
import resource, sys
from harness.session import adopt_orphans, run_commands

adopt_orphans()
burn = "import time\\nend = time.time() + 60\\nwhile time.time() < end: pass"
parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
run_commands([[sys.executable, "-c", parent]], limit=1.5)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime)
"""
    from harness.session import SERVE, output_of

    code = f"import sys; sys.path.insert(0, {str(SERVE.parents[1])!r})\n{adopting}"
    assert float(output_of([sys.executable, "-c", code])) > 0.2


ORPHAN = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
"""


def has_ended(process: int) -> bool:
    """Whether a process that was killed is gone, or soon; a zombie has ended too."""
    stat = Path(f"/proc/{process}/stat")
    for _ in range(100):
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_workers_that_survive_their_command_are_ended():
    from harness.session import output_of

    assert has_ended(int(output_of([sys.executable, "-c", ORPHAN.replace("Popen([", "Popen(stdout=2, args=[")])))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_sigterm_ends_what_was_started(tmp_path):
    import signal
    import subprocess

    from harness.session import SERVE

    told = tmp_path / "worker"
    worker = f"import os, pathlib, time; pathlib.Path({str(told)!r}).write_text(str(os.getpid())); time.sleep(60)"
    code = f"""
import sys; sys.path.insert(0, {str(SERVE.parents[1])!r})
from harness.session import end_by_exception, run_commands

end_by_exception()
run_commands([[sys.executable, "-c", {worker!r}]])
"""
    bench = subprocess.Popen([sys.executable, "-c", code])
    while not (told.exists() and told.read_text()):
        time.sleep(0.05)
    bench.send_signal(signal.SIGTERM)
    assert bench.wait() == 128 + signal.SIGTERM
    assert has_ended(int(told.read_text()))
