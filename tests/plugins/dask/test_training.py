"""Folds on a cluster: those of this machine, though a worker dies in a training."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from nnplug import Plugins
from nnplug.dataset.phantom import write_phantom
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run
from nnplug.plans.plans import read_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.components import Kind
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.training.folds import FoldTraining, fold_jobs, train_folds
from nnplug.workspace.layout import Workspace

OPTIONS = {
    "planner": {"base_features": 4, "max_features": 8},
    "plan": {"patch_size": [16, 16, 16], "batch_size": 2},
    "trainer": {"epochs": 6, "iterations_per_epoch": 4, "val_iterations_per_epoch": 1, "precision": "float32"},
}


class Heard(Silent):
    def __init__(self):
        self.warnings = []

    def warning(self, message):
        self.warnings.append(message)


@pytest.fixture
def folds(tmp_path):
    """Two folds in each of two equal workspaces, "here" and "there"."""
    dataset = write_phantom(tmp_path / "Dataset999_Phantom", cases=4, unseen=0, shape=(20, 24, 22))
    here = Workspace(tmp_path / "here", dataset.name)
    plan = PlanRequest(options=OPTIONS, configurations=("3d_fullres",))
    request = RunRequest(dataset, here, plan, folds=(0, 1), until=Step.PREPROCESS)
    run(request, Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1))
    shutil.copytree(tmp_path / "here", tmp_path / "there")

    def jobs(name):
        workspace = Workspace(tmp_path / name, dataset.name)
        plans = read_plans(workspace.plans("nnunet"))
        return fold_jobs(dataset, workspace, plans, configurations=("3d_fullres",), folds=(0, 1), progress=Silent())

    return jobs


@pytest.mark.slow
def test_folds_equal_those_of_this_machine_though_a_worker_dies(mortal_cluster, folds):
    training, runtime = FoldTraining(mirroring=False), Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1)
    expected = train_folds(folds("here"), training, runtime)
    first = folds("there")[0].run
    worker = mortal_cluster.processes[1]

    def kill():
        while not first.state.exists():
            time.sleep(0.01)
        worker.kill()

    killer, heard = threading.Thread(target=kill), Heard()
    killer.start()
    options = {"address": mortal_cluster.address, "resources": {"GPU": 1}}
    with closing(Plugins().registry.create(Kind.EXECUTOR, "dask", options)) as executor:
        found = train_folds(folds("there"), training, replace(runtime, executor=executor, progress=heard))
    killer.join()
    (warning,) = heard.warnings
    assert "its worker died; it continues at tcp://" in warning
    assert {fold: summary["mean"] for fold, summary in found.items()} == {
        fold: summary["mean"] for fold, summary in expected.items()
    }
    for ours, theirs in zip(folds("there"), folds("here"), strict=True):
        weights, others = load_file(ours.run.final_weights), load_file(theirs.run.final_weights)
        for name in others:
            np.testing.assert_array_equal(weights[name], others[name])
