"""Each trainer class of nnU-Net 2.8.1 has the numbers that its own classes give (bench/oracle/trainers.py)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nnplug.contracts import AugmentationContext, LossContext
from nnplug.dataset.labels import Labels
from nnplug.registry.components import Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug_nnunet.training.adan import Adan
from nnplug_nnunet.training.losses import loss_of
from nnplug_nnunet.training.patches.sampling import chance_of_foreground
from nnplug_nnunetv2_commands.class_names.trainers import REFUSED, find_trainer

FIGURES = json.loads((Path(__file__).parents[1] / "golden" / "trainers.json").read_text())
USUAL = FIGURES["classes"]["nnUNetTrainer"]
GOLDEN = {name: {**USUAL, **own} for name, own in FIGURES["classes"].items() if name not in REFUSED}
LABELS = Labels({"background": (0,), "a": (1,), "b": (2,), "c": (3,)})
SHAPE = (6, 8, 4)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Plugins().registry


def made(registry, name, kind, default=None):
    """The component that a name means; the trainer's own where it names none."""
    choice = find_trainer(name, [])
    component = choice.component if kind == "trainer" else choice.named.get(kind, default)
    return None if component is None else registry.create(Kind(kind), component, choice.options.get(kind, {}))


@pytest.mark.parametrize("name", GOLDEN)
def test_rates_and_optimiser(registry, name):
    trainer, golden = made(registry, name, "trainer"), GOLDEN[name]
    assert trainer.epochs == golden["epochs"]
    assert trainer.deep_supervision == golden["deep_supervision"]
    rates = {epoch: trainer.learning_rate(int(epoch) * trainer.iterations_per_epoch) for epoch in golden["rates"]}
    assert rates == pytest.approx(golden["rates"], rel=1e-9)
    optimizer = trainer.make_optimizer(torch.nn.Conv3d(1, 1, 1))
    wanted = dict(golden["optimizer"])
    assert type(optimizer).__name__ == wanted.pop("kind")
    group = optimizer.param_groups[0]
    assert {key: list(group[key]) if key == "betas" else group[key] for key in wanted if key in group} == {
        key: value for key, value in wanted.items() if key in group
    }
    assert wanted.keys() - group.keys() <= {"eps"}


@pytest.mark.parametrize("name", GOLDEN)
def test_sampling_and_batch(registry, name):
    trainer, golden, choice = made(registry, name, "trainer"), GOLDEN[name], find_trainer(name, [])
    chance = chance_of_foreground(
        trainer.oversampled, batch_size=golden["batch_size"], oversampling=trainer.oversampling
    )
    assert (chance is not None) == golden["probabilistic"]
    assert (trainer.oversampling if chance is None else chance) == pytest.approx(golden["oversampling"])
    assert choice.fields.get("batch_size", 5) == golden["batch_size"]
    assert list(choice.fields.get("patch_size", (96, 96, 96))) == golden["patch_size"]


@pytest.mark.parametrize("name", GOLDEN)
def test_rotation_source_and_mirrored_axes(registry, name):
    trainer, augmenter = made(registry, name, "trainer"), made(registry, name, "augmenter", "nnunet")
    for golden in GOLDEN[name]["placement"]:
        size = tuple(golden["patch"]) if "patch_size" not in find_trainer(name, []).fields else (96, 96, 96)
        axes = trainer.mirror_axes(len(size))
        assert list(axes) == golden["mirrored"] == golden["mirrored_in_prediction"]
        pipeline = augmenter.bind(AugmentationContext(size, axes, (), LABELS))
        if name == "nnUNetTrainerNoDA":  # nothing turns; a larger patch is cut, of which the middle is taken
            assert pipeline.spatial.rotation == 0
            continue
        assert pipeline.spatial.in_plane == golden["in_plane"]
        assert pipeline.spatial.rotation == pytest.approx(golden["rotation"])
        assert list(pipeline.source_patch_size) == golden["source"]


@pytest.mark.parametrize("name", GOLDEN)
def test_the_loss_of_a_batch(registry, name):
    draw = np.random.RandomState(11)
    logits = torch.from_numpy(draw.normal(size=(3, 4, *SHAPE)).astype(np.float32) * 2)
    target = torch.from_numpy(draw.randint(0, 3, size=(3, 1, *SHAPE))).short()
    loss = made(registry, name, "loss") or loss_of(made(registry, name, "trainer").loss)
    value = loss.bind(LossContext(LABELS, batch_dice=False))(logits, target)
    assert float(value) == pytest.approx(GOLDEN[name]["loss"], rel=1e-5)


def test_adan_steps_as_the_package_of_nnunet():
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    optimizer = Adan([weight], lr=0.1, weight_decay=0.02)
    for step in range(5):
        weight.grad = torch.tensor([0.3, -1.0, 2.0]) * (step + 1) - 1.5
        optimizer.step()
    assert weight.tolist() == pytest.approx(FIGURES["adan"], rel=1e-5)
