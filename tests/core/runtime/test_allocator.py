"""Page faults tell whether freed memory was kept; they are counted in a fresh process, whose settings may change."""

import os
import platform
import subprocess
import sys

import pytest

from nnplug.runtime import allocator

FAULTS = """
import resource, sys
size = 40_000_000
from nnplug.runtime.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * size
before = faults()
for _ in range(5):
    b"x" * size
print(faults() - before)
"""


def faults(what: str, script: str = FAULTS) -> int:
    """Without what Dask's nannies, which other tests start, leave in the environment for their workers."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "THP_"))}
    command = [sys.executable, "-c", script, what]
    return int(subprocess.run(command, env=plain, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_freed_memory_serves_the_next_allocation():
    # Pages are of 4 KiB or, where the kernel makes them so, 2 MiB: compare, do not count.
    assert faults("keep") * 10 < faults("give back")


HUGE = """
import resource, sys
from nnplug.runtime.allocator import spare_page_faults
if sys.argv[1] == "spare":
    spare_page_faults()
import torch
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.zeros(1)
before = faults()
for _ in range(5):
    torch.zeros(20_000_000).fill_(1)
print(faults() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not allocator._gives_huge_pages(), reason="this kernel gives no huge pages")
def test_large_tensors_take_huge_pages():
    plain, spared = (faults(what, HUGE) for what in ("leave", "spare"))
    assert spared * 10 < plain


@pytest.mark.parametrize(("kernel", "gives"), [("always [madvise] never", True), ("always madvise [never]", False)])
def test_huge_pages_are_asked_for_where_they_are_given(tmp_path, monkeypatch, kernel, gives):
    (tmp_path / "enabled").write_text(kernel)
    kept = []
    monkeypatch.setattr(allocator, "_HUGE_PAGES", tmp_path / "enabled")
    monkeypatch.setattr(allocator, "keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "")  # so that it is put back afterwards
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    allocator.spare_page_faults()
    assert (os.environ.get("THP_MEM_ALLOC_ENABLE") == "1", bool(kept)) == (gives, not gives)


def test_does_nothing_on_other_systems(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _name: pytest.fail("asked a C library"))
    assert not allocator.keep_freed_memory()


def test_does_nothing_with_a_c_library_that_has_no_such_switch(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _name: object())
    assert not allocator.keep_freed_memory()
