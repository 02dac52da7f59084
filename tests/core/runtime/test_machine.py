"""Cores and memory of this machine, and of containers that this one pretends to be."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from nnplug.runtime import machine as module
from nnplug.runtime.executor import available_cores
from nnplug.runtime.machine import OtherPrograms, Space, inspect_machine, memory, usable_cores

GIB = 1 << 30


@pytest.fixture
def container(tmp_path, monkeypatch):
    """Files of a pretended control group, by their paths, on a machine of 16 GiB of which 8 are free."""

    def pretend(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("DOT", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        whole = SimpleNamespace(total=16 * GIB, available=8 * GIB)
        monkeypatch.setattr(module.psutil, "virtual_memory", lambda: whole)
        monkeypatch.setattr(module, "_CGROUP", tmp_path)

    return pretend


def test_the_memory_of_a_machine(container):
    container()
    assert memory() == Space(total=16 * GIB, free=8 * GIB)


@pytest.mark.parametrize(
    ("limit", "used"), [("memoryDOTmax", "memoryDOTcurrent"), ("memory__memoryDOTlimit_in_bytes",) * 2]
)
def test_a_container_has_its_limit(container, limit, used):
    used = used.replace("limit", "usage")
    container(**{limit: f"{4 * GIB}\n", used: f"{GIB}\n"})
    assert memory() == Space(total=4 * GIB, free=3 * GIB)


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096)])
def test_no_limit_is_none(container, limit):
    container(memoryDOTmax=f"{limit}\n", memoryDOTcurrent=f"{GIB}\n")
    assert memory() == Space(total=16 * GIB, free=8 * GIB)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpuDOTmax": "100000 100000\n"}, 1),
        ({"cpuDOTmax": "50000 100000\n"}, 1),
        ({"cpuDOTmax": "max 100000\n"}, available_cores()),
        ({"cpu__cpuDOTcfs_quota_us": "100000\n", "cpu__cpuDOTcfs_period_us": "100000\n"}, 1),
        ({"cpu__cpuDOTcfs_quota_us": "-1\n", "cpu__cpuDOTcfs_period_us": "100000\n"}, available_cores()),
    ],
)
def test_a_quota_limits_cores(container, files, cores):
    container(**files)
    assert usable_cores() == cores


def test_this_machine(tmp_path):
    machine = inspect_machine(tmp_path / "not" / "yet")
    assert 1 <= machine.cores <= machine.cores_installed == os.cpu_count()
    assert 0 < machine.disk.free <= machine.disk.total
    assert 0 < machine.memory.free <= machine.memory.total
    assert machine.processor


def test_other_programs_are_what_is_busy_besides_this_process(monkeypatch):
    """Two seconds of two cores: one of them computes for this process, the third is not for it."""
    seconds, now = [10.0, 20.0, 30.0], [100.0]
    own = SimpleNamespace(cpu_affinity=lambda: [0, 1], cpu_times=lambda: (seconds[0], 1.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(module.psutil, "Process", lambda: own)
    monkeypatch.setattr(
        module.psutil, "cpu_times", lambda percpu: [SimpleNamespace(user=one, system=2.0, idle=5.0) for one in seconds]
    )
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    others = OtherPrograms.from_now()
    assert others.cores() == 0
    seconds[:], now[0] = [12.0, 21.0, 32.0], 102.0
    assert others.cores() == 0.5
