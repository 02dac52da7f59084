"""One training by several processes: the losses of one process, resumed after a kill, and errors in a line."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest
import torch
from safetensors.numpy import load_file

from nnplug import Plugins
from nnplug.dataset.phantom import write_phantom
from nnplug.errors import NnplugError
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run
from nnplug.plans.plans import read_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.runtime import Runtime
from nnplug.runtime.distributed import World
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.training import several_devices
from nnplug.training.job import TrainingJob
from nnplug.training.several_devices import check_devices, join_world, own_device, start_devices, train_together
from nnplug.training.train import train
from nnplug.workspace.layout import Workspace
from nnplug_nnunet.training.trainer import NnUNetTrainer

CPU = torch.device("cpu")
OPTIONS = {
    "planner": {"base_features": 4, "max_features": 8},
    "plan": {"patch_size": [16, 16, 16], "batch_size": 4, "batch_dice": True},
    "trainer": {"epochs": 3, "iterations_per_epoch": 3, "val_iterations_per_epoch": 2, "precision": "float32"},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A dataset with plans and preprocessed cases."""
    folder = tmp_path_factory.mktemp("devices")
    dataset = write_phantom(folder / "Dataset999_Phantom", cases=4, unseen=0, shape=(20, 24, 22))
    workspace = Workspace(folder / "work", dataset.name)
    plan = PlanRequest(options=OPTIONS, configurations=("3d_fullres",))
    request = RunRequest(dataset, workspace, plan, folds=(0,), until=Step.PREPROCESS)
    run(request, Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1))
    return dataset, workspace


@pytest.fixture
def job(prepared, tmp_path):
    """A fold to train, in a workspace of its own."""
    dataset, workspace = prepared
    shutil.copytree(workspace.root, tmp_path / "work")
    own = Workspace(tmp_path / "work", workspace.dataset)
    return TrainingJob(own, dataset, read_plans(own.plans("nnunet")), "3d_fullres", 0)


def together(job, devices=2, **changes):
    return train_together(job, Runtime(Plugins(), device="cpu", **{"workers": 2, **changes}), devices=devices)


def log(folder):
    lines = [json.loads(line) for line in folder.log.read_text().splitlines()]
    return [[line[key] for key in ("epoch", "train_loss", "val_loss", "mean_dice")] for line in lines]


def with_trainer(job, **options):
    choices = dict(job.plans.choices)
    choices["trainer"] = msgspec.structs.replace(choices["trainer"], options={**choices["trainer"].options, **options})
    return replace(job, plans=msgspec.structs.replace(job.plans, choices=choices))


def test_two_processes_have_the_losses_of_one(job):
    class Heard(Silent):
        steps = 0

        @contextmanager
        def task(self, title, total, *, done=0):
            def advance(latest):
                self.steps += 1

            yield advance

    heard = Heard()
    found = log(together(job, progress=heard))
    assert heard.steps == 9
    shutil.rmtree(job.run.path)
    expected = log(train(job, Runtime(Plugins(), device="cpu", workers=1)))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)


def test_every_process_trains_after_the_record_is_written(job, monkeypatch):
    """A trainer may read the record: with one that is not there yet, it would begin differently in each process."""
    seen = []

    class Watched(World):
        def wait(self):
            seen.append(job.run.record.exists())

    def stop(self, task):
        raise NnplugError("begins")

    monkeypatch.setattr(NnUNetTrainer, "train", stop)
    with pytest.raises(NnplugError, match="begins"):
        train(job, Runtime(Plugins(), device="cpu", workers=1), world=Watched())
    assert seen[-1]


SCRIPT = """
import pickle, sys
from nnplug.training.several_devices import train_together
if __name__ == "__main__":
    job, runtime = pickle.load(open(sys.argv[1], "rb"))
    train_together(job, runtime, devices=2)
"""


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(job, tmp_path):
    uninterrupted = load_file(together(job).final_weights)
    shutil.rmtree(job.run.path)
    runtime = Runtime(Plugins(), device="cpu", workers=2)
    (tmp_path / "job").write_bytes(pickle.dumps((job, runtime)))
    (tmp_path / "script.py").write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, str(tmp_path / "script.py"), str(tmp_path / "job")])
    while not job.run.state.exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not job.run.final_weights.exists(), "it was not killed on the way"
    time.sleep(1.0)  # the ranks end when they find their parent gone
    resumed = load_file(together(job).final_weights)
    assert all((resumed[name] == uninterrupted[name]).all() for name in uninterrupted)


def test_a_rank_that_is_killed_ends_the_others_with_one_line(job):
    class Killer(Silent):
        @contextmanager
        def task(self, title, total, *, done=0):
            victim = next(p for p in multiprocessing.active_children() if p.name == "rank 1")
            os.kill(victim.pid, signal.SIGKILL)
            yield lambda latest: None

    with pytest.raises(NnplugError, match=r"fold_0: the process of rank 1 was killed \(SIGKILL\)") as error:
        together(with_trainer(job, epochs=500), progress=Killer())
    assert "\n" not in str(error.value)
    assert not [p for p in multiprocessing.active_children() if p.name.startswith("rank")]


class Late:
    """A process whose sentinel is ready before its exit code is there, as it happens on a busy machine."""

    def __init__(self, end, *, code):
        self.sentinel, self.code, self.exitcode, self.name = end, code, None, "rank"

    def join(self, timeout=None):
        self.exitcode = self.code


def test_a_rank_that_fails_ends_the_others_also_if_its_exit_code_comes_late():
    (gone, write), (there, still_open) = os.pipe(), os.pipe()
    os.close(write)
    job = SimpleNamespace(run=SimpleNamespace(path="fold_0"))
    try:
        with pytest.raises(RuntimeError, match="fold_0: a process ended without an error message"):
            several_devices._follow([Late(gone, code=1), Late(there, code=None)], [], job, Silent())
    finally:
        for end in (gone, there, still_open):
            os.close(end)


def test_what_a_user_can_mend_is_told_once(job):
    one = msgspec.structs.replace(job.plans.configurations["3d_fullres"], batch_size=1)
    plans = msgspec.structs.replace(job.plans, configurations={"3d_fullres": one})
    with pytest.raises(NnplugError) as error:
        together(replace(job, plans=plans))
    remedy = "Use at most 1, or a larger batch. Plan with plan.batch_size=2 in options."
    expected = f"a batch of 1 cannot be shared by 2 devices. {remedy}"
    assert str(error.value) == f"{job.run.path}: {expected}"


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(NnplugError, match="^2 devices: this machine has 1 of type mps; use at most 1"):
        check_devices(torch.device("mps"), 2)
    check_devices(CPU, 8)


def test_without_torchrun_a_process_is_alone():
    assert join_world({}, CPU) == World(0, 1)


def test_several_devices_and_torchrun_exclude_each_other():
    environment = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
    with pytest.raises(
        NnplugError, match="^2 devices: torchrun starts the processes itself; use 1 device per fold instead of 2"
    ):
        start_devices(environment, "cpu", 2, here=True)
    assert start_devices({}, "cuda", 1, here=False) == World(0, 1)


def test_a_process_of_torchrun_names_its_own_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    environment = {"WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "4"}
    assert own_device(environment, "auto") == "cuda:2"
    assert own_device(environment, "cuda") == "cuda:2"
    assert own_device(environment, "cpu") == "cpu"
