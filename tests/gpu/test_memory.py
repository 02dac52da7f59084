"""The memory that is counted before a training is that of its steps on the pretended GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from nnplug.models.open import Member
from nnplug.plans.plans import Choice, Plans
from nnplug.profiling.memory.prediction import count_prediction
from nnplug.profiling.memory.training import count_training
from nnplug.registry.components import Kind, Registry
from nnplug.registry.loader import Plugins

HERE = Path(__file__).parent
GPU = torch.device("cuda")
NAMES = {"trainer": "nnunet", "augmenter": "nnunet", "inference": "sliding-window"}
ERROR = 0.02
"""The largest accepted difference, relative to the pretended GPU's count; see docs/gpu.md for large networks."""
FREE = 60
"""GB of free memory of the pretended GPU."""


@pytest.fixture(scope="module")
def scenes():
    """The scenes of the scripts by name: of training, and of prediction."""
    for folder in (HERE, HERE.parents[1] / "bench"):
        sys.path.insert(0, str(folder))
    import predict
    import train

    return train.SCENES, predict.SCENES


@pytest.fixture(scope="module")
def components():
    return Registry(entry for entry in Plugins().registry if entry.kind is not Kind.ACCELERATOR)


def plans_of(scene):
    return Plans(
        dataset="Dataset001_A",
        name="nnunet",
        recipe="nnunet",
        choices={kind: Choice(name=name) for kind, name in NAMES.items()},
        transpose_forward=(0, 1, 2),
        transpose_backward=(0, 1, 2),
        median_spacing=(1.0,) * 3,
        median_shape=tuple(map(float, scene.shape)),
        intensity={},
        configurations={"3d_fullres": scene.configuration},
    )


def check_training(scene, counts, components):
    found = count_training(plans_of(scene), "3d_fullres", scene.description, components, GPU)
    assert found.step == pytest.approx(counts[0]["peak"], rel=ERROR)
    assert found.beside > 0


def check_prediction(scene, counts, components):
    member = Member(plans_of(scene), scene.description, "3d_fullres", (), (0, 1, 2), ())
    found, _ = count_prediction(member, components, GPU, free=FREE << 30)
    assert found == pytest.approx(counts[-1]["peak"], rel=ERROR)


@pytest.mark.slow
def test_a_training_step_takes_what_is_counted(on_gpu, scenes, components):
    counts = on_gpu("train", "hippocampus", "regions", "residual", "cascade", "strong")
    check_training(scenes[0]["hippocampus"], counts["hippocampus"], components)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["brats", "brats-regions", "105-classes"])
def test_a_step_of_a_large_network_takes_what_is_counted(on_gpu, scenes, components, name):
    check_training(scenes[0][name], on_gpu("train", name)[name], components)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hippocampus", "brats", "105-classes"])
def test_a_prediction_takes_what_is_counted(on_gpu, scenes, components, name):
    check_prediction(scenes[1][name], on_gpu("predict", f"{name}:{FREE},{FREE}")[name], components)
