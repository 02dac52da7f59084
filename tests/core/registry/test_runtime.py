"""The value that every stage takes: defaults, what a job gets of it, what a process that unpickles it has."""

from __future__ import annotations

import pickle
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
