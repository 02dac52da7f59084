"""The trainer whose patches grow: the sizes that train, and what a stop at any of them leaves."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts.kinds import TRAINER
from nnplug.errors import InvalidOptions
from nnplug.registry.components import Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.options import build
from nnplug.testing import checks
from nnplug.testing.trainings import Setting, make_task
from nnplug_fast.progressive import ProgressiveTrainer
from nnplug_nnunet.training import loop

SHORT = {"iterations_per_epoch": 1, "val_iterations_per_epoch": 1, "precision": "float32"}
SIZES = [(2, 2), (2, 4), (4, 4), (4, 6), (6, 6), (6, 8), (8, 8)]


@pytest.fixture
def shapes(monkeypatch):
    """The shapes of all training batches."""
    found = []
    step = ProgressiveTrainer.training_step

    def training_step(self, state, batch):
        found.append(tuple(batch.image.shape))
        return step(self, state, batch)

    monkeypatch.setattr(ProgressiveTrainer, "training_step", training_step)
    return found


def trained(trainer, folder, **setting):
    task = make_task(folder, Setting(**setting))
    trainer.train(task)
    return load_file(task.run.final_weights)


def are_equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def states(trainer, folder, **setting):
    """Train, and return the folder of the run as a kill after each epoch leaves it."""
    task = make_task(folder / "whole", Setting(**setting))
    training = loop.Training(trainer, task)
    epoch, left = training._epoch, []

    def followed(*given):
        epoch(*given)
        training.files.save_state(training.position)
        left.append(folder / f"epoch_{len(left)}")
        shutil.copytree(folder / "whole", left[-1])

    training._epoch = followed
    training.run()
    return left, load_file(task.run.final_weights)


def batch_shapes(growth):
    """The shapes of the batches of eight epochs of one iteration."""
    batches = [2 if growth == "efficiency" else 128 // (z * y) for z, y in SIZES]
    shapes = [(batch, 2, *size) for batch, size in zip(batches, SIZES, strict=True)]
    return [*shapes, shapes[-1]]


def test_a_training_that_is_killed_at_any_size_goes_on_to_the_bit(tmp_path, shapes):
    trainer = ProgressiveTrainer(**SHORT, epochs=8, growth="performance")
    left, whole = states(trainer, tmp_path, axes=2)
    assert shapes == batch_shapes("performance")
    for folder in left[:-1]:
        assert are_equal(trained(trainer, folder, axes=2), whole), folder.name
    assert are_equal(trained(trainer, tmp_path / "workers", axes=2, workers=3), whole)


def test_efficiency_keeps_the_number_of_patches(tmp_path, shapes):
    trained(ProgressiveTrainer(**SHORT, epochs=8), tmp_path, axes=2)
    assert shapes == batch_shapes("efficiency")


def test_volumes_and_the_second_stage_of_a_cascade_grow_too(tmp_path, shapes):
    trainer = ProgressiveTrainer(**SHORT, epochs=3, growth="performance")
    trained(trainer, tmp_path, axes=3, previous=True)
    assert [shape[2:] for shape in shapes] == [(2, 2, 2), (4, 6, 6), (8, 8, 8)]
    assert [shape[0] for shape in shapes] == [128, 7, 2]


def test_its_length_has_the_voxels_of_all_epochs(tmp_path):
    task = make_task(tmp_path, Setting(axes=2))
    length = ProgressiveTrainer(epochs=7).length(task)
    assert length.voxels == pytest.approx(sum(z * y for z, y in SIZES) / (7 * 64))
    assert ProgressiveTrainer(epochs=1).length(task).voxels == 1


@pytest.mark.slow
@pytest.mark.parametrize("growth", ["efficiency", "performance"])
def test_it_keeps_the_contract_of_a_trainer(growth):
    entry = Plugins().registry.get(TRAINER, "progressive")
    found = checks(entry, Registry([entry]), options={"growth": growth})
    assert {check.name: check.problem() for check in found if check.problem()} == {}


def test_another_growth_is_refused():
    with pytest.raises(InvalidOptions, match="growth"):
        build(ProgressiveTrainer, {"growth": "fast"}, what="trainer 'progressive'")
