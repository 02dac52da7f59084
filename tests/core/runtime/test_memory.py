"""Page faults tell whether freed memory was kept; they are counted in a fresh process, whose settings may change."""

import platform
import subprocess
import sys

import pytest

from nnplug.runtime import memory

FAULTS = """
import resource, sys
size = 40_000_000
from nnplug.runtime.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * size
before = faults()
for _ in range(5):
    b"x" * size
print(faults() - before)
"""


def faults(what: str) -> int:
    return int(subprocess.run([sys.executable, "-c", FAULTS, what], check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_freed_memory_serves_the_next_allocation():
    # Pages are of 4 KiB or, where the kernel makes them so, 2 MiB: compare, do not count.
    assert faults("keep") * 10 < faults("give back")


def test_does_nothing_on_other_systems(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: pytest.fail("asked a C library"))
    assert not memory.keep_freed_memory()


def test_does_nothing_with_a_c_library_that_has_no_such_switch(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: object())
    assert not memory.keep_freed_memory()
