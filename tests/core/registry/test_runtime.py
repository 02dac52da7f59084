"""The value that every stage takes: defaults, what a job gets of it, what a process that unpickles it has."""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from dataclasses import FrozenInstanceError

import pytest

from nnplug.errors import NnplugError
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor, available_cores
from nnplug.runtime.progress import Silent


class Unpicklable(LocalExecutor):
    def __reduce__(self):
        raise TypeError("a connection to a cluster")


class Screen(Silent):
    def __reduce__(self):
        raise TypeError("a terminal")


def test_without_more_it_is_this_machine_in_silence():
    runtime = Runtime(Plugins())
    assert runtime.executor == LocalExecutor()
    assert (runtime.device, runtime.threads) == ("auto", available_cores())
    assert "nnunet" in runtime.registry.names(Kind.PLANNER)
    with pytest.raises(FrozenInstanceError):
        runtime.device = "cpu"


def test_workers_are_the_threads():
    assert Runtime(Plugins(), workers=3).threads == 3
    with pytest.raises(ValueError, match="workers is 0; expected at least 1"):
        Runtime(Plugins(), workers=0)


def test_the_device_is_chosen_by_name():
    assert Runtime(Plugins(), device="cpu").torch_device().type == "cpu"
    with pytest.raises(NnplugError, match="no device is called 'gpu'"):
        Runtime(Plugins(), device="gpu").torch_device()


def test_a_job_has_threads_and_progress_of_its_own():
    own = Silent()
    job = Runtime(Plugins(), Unpicklable(1), "cpu", workers=2, progress=Screen()).in_job(own)
    assert (job.executor, job.device, job.workers) == (LocalExecutor(2), "cpu", 2)
    assert job.progress is own


def test_another_process_gets_plugins_device_and_workers():
    sent = Runtime(Plugins(block=["brats"]), Unpicklable(1), "cpu", workers=2, progress=Screen())
    found = pickle.loads(pickle.dumps(sent))
    assert (found.device, found.workers) == ("cpu", 2)
    assert type(found.executor) is LocalExecutor
    assert type(found.progress) is Silent
    assert [plugin.status for plugin in found.plugins] == [plugin.status for plugin in sent.plugins]


def test_a_budget_of_gpu_memory_goes_to_other_processes_and_is_above_0():
    sent = pickle.loads(pickle.dumps(Runtime(Plugins(), device="cpu", gpu_memory_gb=2.5)))
    assert sent.gpu_memory_gb == 2.5
    assert sent.in_job(Silent()).gpu_memory_gb == 2.5
    with pytest.raises(ValueError, match="gpu_memory_gb is 0; expected more than 0"):
        Runtime(Plugins(), gpu_memory_gb=0)


def test_a_budget_is_set_on_the_device_while_a_block_runs(monkeypatch):
    set_to = []

    @contextmanager
    def budget(device, gigabytes):
        set_to.append((device.type, gigabytes))
        yield
        set_to.append("undone")

    monkeypatch.setattr("nnplug.runtime.device.memory_budget", budget)
    with Runtime(Plugins(), device="cpu", gpu_memory_gb=2.5).limited_memory():
        assert set_to == [("cpu", 2.5)]
    assert set_to[1:] == ["undone"]
    with Runtime(Plugins(), device="no such device").limited_memory():
        assert len(set_to) == 2, "nothing without a budget"
