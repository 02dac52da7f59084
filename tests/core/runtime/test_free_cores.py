"""Beside a busy program a team of threads gathers on the cores that are left, and results are equal to the bit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from nnplug.runtime import free_cores
from nnplug.runtime.free_cores import Load, cores_for_team, on_free_cores

EVERY = frozenset({0, 1})
TWO_CORES = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two cores"
)


@pytest.mark.parametrize(
    ("load", "current", "cores"),
    [
        pytest.param(Load({0: 1.0, 1: 1.0}, own=1.95, team=1.9), EVERY, EVERY, id="alone, waiting busily"),
        pytest.param(Load({0: 1.0, 1: 0.9}, own=1.7, team=1.7), EVERY, EVERY, id="little else"),
        pytest.param(Load({0: 1.0, 1: 1.0}, own=1.3, team=1.2), EVERY, {1}, id="a busy program"),
        pytest.param(Load({0: 1.0, 1: 1.0}, own=0.6, team=0.6), EVERY, {1}, id="two busy programs"),
        pytest.param(Load({0: 1.0, 1: 1.0}, own=1.0, team=1.0), {0}, {0}, id="stays beside it"),
        pytest.param(Load({0: 1.0, 1: 0.1}, own=0.5, team=0.5), {0}, {1}, id="the program is bound to our core"),
        pytest.param(Load({0: 1.0, 1: 0.2}, own=1.0, team=1.0), {0}, {0}, id="not yet free"),
        pytest.param(Load({0: 1.0, 1: 0.1}, own=1.0, team=1.0), {0}, EVERY, id="free again"),
    ],
)
def test_a_team_of_two_uses_the_cores_that_others_leave(load, current, cores):
    assert cores_for_team(load, frozenset(current), 2) == frozenset(cores)


def test_a_team_smaller_than_the_machine_gathers_only_if_too_few_cores_are_left():
    busy = {core: 1.0 if core < 3 else 0.5 for core in range(4)}
    every = frozenset(busy)
    assert cores_for_team(Load(busy, own=1.5, team=1.5), every, 2) == every
    assert cores_for_team(Load(busy, own=0.5, team=0.5), every, 2) == {3}


def test_nothing_is_done_for_one_thread_or_another_device(monkeypatch):
    monkeypatch.setattr(free_cores, "_watch", lambda *_: pytest.fail("a thread was started"))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with on_free_cores(torch.device("cpu")), on_free_cores(torch.device("meta")):
        pass


def test_the_core_counters_of_the_system_are_read(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 10 20 900 50 3 4 7 0 0\ncpu12 1 0 0 9 0 0 0 0 0 0\nintr 5\n")
    monkeypatch.setattr(free_cores, "_STAT", stat)
    tick = os.sysconf("SC_CLK_TCK")
    assert free_cores._busy_seconds() == {0: 137 / tick, 12: 1 / tick}
    monkeypatch.setattr(free_cores, "_STAT", tmp_path / "missing")
    assert free_cores._busy_seconds() == {}


SETTING = """
import os, subprocess, sys, threading, time
from pathlib import Path

os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # a neighbour started here has the same two
import torch
from nnplug.runtime import free_cores

free_cores._EVERY = 0.1
def start_neighbour():
    return subprocess.Popen([sys.executable, "-c", "while True: pass"])
"""
GATHER = (
    SETTING
    + """
every, end, later = os.sched_getaffinity(0), threading.Event(), []
torch.ones(100_000).add_(1)  # starts the team
before = len(os.listdir("/proc/self/task"))
def start_thread():
    later.append(threading.Thread(target=end.wait))
    later[0].start()

neighbour = start_neighbour()
try:
    with free_cores.on_free_cores(torch.device("cpu")):
        deadline = time.monotonic() + 60
        while len(os.sched_getaffinity(0)) == 2 and time.monotonic() < deadline:
            torch.ones(100_000).add_(1)
        gathered = [t for t in os.listdir("/proc/self/task") if len(os.sched_getaffinity(int(t))) == 1]
        start_thread()
    deadline = time.monotonic() + 10  # OpenMP's threads end a moment after they are told to
    while len(os.listdir("/proc/self/task")) > before + 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    print(len(gathered), len(os.listdir("/proc/self/task")) - before)
    print({frozenset(os.sched_getaffinity(int(t))) for t in os.listdir("/proc/self/task")} == {frozenset(every)})
finally:
    end.set()
    neighbour.kill()
    neighbour.wait()
"""
)


@pytest.mark.slow  # it imports PyTorch in a process of its own and waits for the watch
@TWO_CORES
def test_the_team_gathers_beside_a_busy_program_and_every_thread_is_free_afterwards(tmp_path):
    counts, free = _run(GATHER, tmp_path).splitlines()
    assert counts == "2 1", "the caller and its worker gather; afterwards there is only the thread that was started"
    assert free == "True"


TRAIN = (
    SETTING
    + """
import hashlib
import nnplug.pipeline.run
from nnplug.dataset.phantom import write_phantom
from nnplug.pipeline.request import RunRequest
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.workspace.layout import Workspace

root, used, choose = Path(sys.argv[1]), [], free_cores.cores_for_team
def noted(*args):
    used.append(choose(*args))
    return used[-1]
free_cores.cores_for_team = noted
dataset = write_phantom(root / "Dataset901_Phantom", cases=4, unseen=1, shape=(20, 24, 22))
request = RunRequest(
    dataset=dataset,
    workspace=Workspace(root / "work", dataset.name),
    plan=PlanRequest(
        options={
            "planner": {"base_features": 4, "max_features": 8},
            "plan": {"patch_size": [16, 16, 16], "batch_size": 2},
            "trainer": {"epochs": 2, "iterations_per_epoch": 30, "val_iterations_per_epoch": 1},
        },
        configurations=("3d_fullres",),
    ),
    folds=(0,),
)
neighbour = start_neighbour() if sys.argv[2] == "busy" else None
try:
    nnplug.pipeline.run.run(request, Runtime(Plugins(), LocalExecutor(2), device="cpu", workers=2))
finally:
    if neighbour is not None:
        neighbour.kill()
        neighbour.wait()
[weights] = (root / "work").glob("*/runs/*/*/fold_0/weights_final.safetensors")
print(hashlib.sha256(weights.read_bytes()).hexdigest(), min(map(len, used)))
"""
)


@TWO_CORES
@pytest.mark.slow
def test_weights_are_equal_to_the_bit_with_a_busy_neighbour(tmp_path):
    quiet, _ = _run(TRAIN, tmp_path / "quiet", "quiet").split()
    busy, fewest = _run(TRAIN, tmp_path / "busy", "busy").split()
    assert busy == quiet
    assert fewest == "1", "the team gathered"


def _run(script, folder, *words):
    folder.mkdir(exist_ok=True)
    # PyTorch reads the variable of MKL first, which is 1 in a process that started workers of Dask, and in its children
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    command = [sys.executable, "-c", script, str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
