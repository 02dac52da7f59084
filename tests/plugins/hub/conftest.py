"""A fake hub, and bundles that a network without training makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nnplug import Plugins
from nnplug.dataset.phantom import write_phantom
from nnplug.models.bundle import Contents, pack
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run
from nnplug.plans.plans import read_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.components import Kind
from nnplug.registry.provenance import record
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.workspace.layout import Workspace

from .fake_hub import FakeHub

TINY = {
    "planner": {"base_features": 4, "max_features": 8},
    "plan": {"patch_size": [16, 16, 16], "batch_size": 2},
    "trainer": {"epochs": 1, "iterations_per_epoch": 1, "val_iterations_per_epoch": 1},
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub of this machine, a token, and an empty cache; variables are read when the library is imported."""
    from huggingface_hub import constants

    made = FakeHub()
    with made as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
        monkeypatch.setattr(constants, "HF_XET_CACHE", str(tmp_path / "home" / "xet"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield made


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> RunRequest:
    """A preprocessed fold of a phantom whose dataset.json says where it is from."""
    folder = tmp_path_factory.mktemp("raw") / "Dataset901_Phantom"
    dataset = write_phantom(folder, cases=4, unseen=2, shape=(20, 24, 22))
    request = RunRequest(
        dataset=dataset,
        workspace=Workspace(tmp_path_factory.mktemp("work"), dataset.name),
        plan=PlanRequest(options=TINY, configurations=("3d_fullres",)),
        folds=(0,),
        until=Step.PREPROCESS,
    )
    run(request, Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1))
    return request


@pytest.fixture(scope="session")
def bundle(prepared: RunRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with weights as training would begin with."""
    return make_bundle(prepared, tmp_path_factory.mktemp("bundle") / "model", seed=0)


def make_bundle(prepared: RunRequest, target: Path, *, seed: int) -> Path:
    """Write a bundle; another seed gives another model."""
    registry = Plugins().registry
    plans, description = read_plans(prepared.workspace.plans("nnunet")), prepared.dataset.description
    choice = plans.configuration("3d_fullres").architecture
    torch.manual_seed(seed)
    network = registry.create(Kind.ARCHITECTURE, choice.name, choice.options).build(
        channels=len(description.channel_names), outputs=description.labels.outputs
    )
    entries = [registry.get(Kind.ARCHITECTURE, choice.name), registry.get(Kind.NORMALIZER, "zscore")]
    contents = Contents(
        plans=plans,
        description=description,
        configuration="3d_fullres",
        folds={"0": lambda path: save_file(network.state_dict(), path)},
        mirror_axes=(0, 1, 2),
        providers=record(entries),
    )
    pack(contents, target)
    return target
