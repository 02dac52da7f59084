"""What a report says of models, machine and versions."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import torch

from nnplug.inference.model_record import described_machine, described_model, used_versions
from nnplug.inference.options import PredictOptions
from nnplug.models.open import Model
from nnplug.registry.components import Kind
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor


@pytest.fixture
def runtime(plugins):
    return Runtime(plugins, LocalExecutor(1), "cpu")


def options_with(model, **fields):
    """Options whose model is opened already."""
    options = PredictOptions(**fields)
    vars(options)["model"] = model
    return options


def test_every_member_has_its_plans_folds_and_weights(bundle, runtime, tmp_path):
    paths = (bundle("one", folds=2), bundle("other", seed=1))
    options = PredictOptions(models=paths, mirroring=False, inference_options={"step": 0.8})
    found = described_model(options, runtime)
    assert found["paths"] == [str(path) for path in paths]
    one, other = found["members"]
    assert (one["folds"], other["folds"], one["configuration"]) == (["0", "1"], ["0"], "3d_fullres")
    weights = options.model.members[0].weights
    assert [entry["sha256"] for entry in one["weights"]] == [
        hashlib.sha256(w.read_bytes()).hexdigest() for w in weights
    ]
    assert one["plans_digest"] == options.model.plans.digest()
    assert (one["inference"], one["mirror_axes"]) == ({"name": "sliding-window", "options": {"step": 0.8}}, [])
    assert {entry["kind"] for entry in one["components"]} >= {"architecture", "preprocessor", "inference"}
    only = described_model(replace(options, models=paths[:1], folds=("1",)), runtime)
    assert only["members"][0]["folds"] == ["1"]


def test_a_cascade_has_its_previous_stage(make_model, runtime):
    member = make_model()
    found = described_model(options_with(Model((replace(member, previous=make_model(seed=1)),))), runtime)
    (described,) = found["members"]
    assert described["previous"]["weights"][0]["sha256"] != described["weights"][0]["sha256"]
    assert (described["previous"]["previous"], described["mirror_axes"]) == (None, list(member.mirror_axes))


def test_postprocessing_is_recorded(make_model, runtime):
    rule = {"schema": 1, "name": "largest"}
    assert described_model(options_with(Model((make_model(),), rule)), runtime)["postprocessing"] == rule


def test_the_device_of_a_cluster_is_not_known_here(runtime):
    class Cluster(LocalExecutor):
        slots = 2

    here = described_machine(runtime)
    assert (here["device"]["used"], bool(here["device"]["name"])) == ("cpu", True)
    assert here["executor"] == "nnplug.runtime.executor.LocalExecutor"
    named = replace(runtime, executor=runtime.registry.create(Kind.EXECUTOR, "local"))
    assert described_machine(named)["executor"].startswith("executor 'local' from nnplug-core ")
    there = described_machine(replace(runtime, executor=Cluster(), device="auto"))
    assert there["device"] == {"asked": "auto", "used": None, "name": None}
    assert there["executor"].endswith("Cluster")


def test_versions_are_those_of_libraries_and_loaded_plugins(make_model, runtime):
    found = used_versions(options_with(Model((make_model(),))), runtime)
    assert found["torch"] == torch.__version__
    assert found.keys() >= {"python", "numpy", "scipy", "SimpleITK", "nnplug-core", "nnplug-nnunet"}
    assert next(iter(found)) == "python"
