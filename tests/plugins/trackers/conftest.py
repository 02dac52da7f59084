"""A prepared fold, which each test trains in a second."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nnplug.dataset.phantom import write_phantom
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run
from nnplug.plans.plans import read_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.digests import sha256
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.files import remove_folder
from nnplug.runtime.progress import Silent
from nnplug.training.job import TrainingJob
from nnplug.training.trackers.choose_trackers import chosen_trackers
from nnplug.training.train import train
from nnplug.workspace.layout import Workspace

TINY = {
    "planner": {"base_features": 4, "max_features": 8},
    "plan": {"patch_size": [16, 16, 16], "batch_size": 2},
    "trainer": {"epochs": 3, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1},
}
NO_SERVER = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_MODE": "offline"}

Start = Callable[..., list[str]]


class Heard(Silent):
    """Keeps notices and warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def notice(self, message: str) -> None:
        self.lines.append(f"notice: {message}")

    def warning(self, message: str) -> None:
        self.lines.append(f"warning: {message}")


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let MLflow and W&B write files; take away the variables of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "WANDB_")):
            monkeypatch.delenv(name)
    for name, value in NO_SERVER.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> TrainingJob:
    """A preprocessed fold of a phantom."""
    folder = tmp_path_factory.mktemp("raw") / "Dataset901_Phantom"
    dataset = write_phantom(folder, cases=4, unseen=0, shape=(20, 24, 22))
    request = RunRequest(
        dataset=dataset,
        workspace=Workspace(tmp_path_factory.mktemp("work"), dataset.name),
        plan=PlanRequest(options=TINY, configurations=("3d_fullres",)),
        folds=(0,),
        until=Step.PREPROCESS,
    )
    run(request, Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1))
    return TrainingJob(request.workspace, dataset, read_plans(request.workspace.plans("nnunet")), "3d_fullres", 0)


@pytest.fixture(scope="session")
def digest_without(prepared: TrainingJob) -> str:
    """The digest of the weights of a training without trackers."""
    train(prepared, Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1))
    found = sha256(prepared.run.final_weights)
    remove_folder(prepared.run.path)
    return found


@pytest.fixture
def job(prepared: TrainingJob) -> Iterator[TrainingJob]:
    """A job whose run is removed afterwards."""
    yield prepared
    remove_folder(prepared.run.path)


def start_training(job: TrainingJob, *names: str, **options: object) -> list[str]:
    """Train a job with trackers; gives what the user is told."""
    heard = Heard()
    tracked = replace(job, trackers=chosen_trackers(names, options))
    train(tracked, Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1, progress=heard))
    return heard.lines


@pytest.fixture
def start() -> Start:
    """Train a job with trackers."""
    return start_training
