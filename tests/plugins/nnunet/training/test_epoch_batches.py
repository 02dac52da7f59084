"""Batches that differ between epochs: sizes and samplers of a trainer or a callback, and what a stop leaves of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts import PatchPlace
from nnplug.errors import InvalidPlugin, NnplugError
from nnplug.runtime.distributed import World
from nnplug.testing.stand_ins import Crop
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training import epoch_batches, loop
from nnplug_nnunet.training.batch_settings import BatchSettings, planned_settings
from nnplug_nnunet.training.callbacks import Callback
from nnplug_nnunet.training.graphs.graphed_step import WARM_UP, GraphedStep
from nnplug_nnunet.training.patches.samplers import ClassBalanced
from nnplug_nnunet.training.rehearsal import rehearse
from nnplug_nnunet.training.trainer import NnUNetTrainer

SHORT = {"iterations_per_epoch": 2, "val_iterations_per_epoch": 1, "precision": "float32"}
SIZES = [
    BatchSettings((4, 4, 4), 5),
    BatchSettings((4, 4, 4), 5),
    BatchSettings((4, 8, 8), 3),
    BatchSettings((8,) * 3, 2),
]
SHAPES = [(settings.batch_size, 2, *settings.patch_size) for settings in SIZES]


@dataclass(frozen=True, kw_only=True)
class Growing(NnUNetTrainer):
    """The settings of each epoch are listed."""

    epochs: int = len(SIZES)
    sizes: tuple[object, ...] = tuple(SIZES)

    def batch_settings(self, task, epoch):
        return self.sizes[epoch]


@pytest.fixture
def seen(monkeypatch):
    """The shapes of all training and validation batches, and the sizes of the tasks that the steps get."""
    found = {"training_step": [], "validation_step": []}

    def follow(name):
        step = getattr(NnUNetTrainer, name)

        def wrapped(self, state, batch):
            planned = planned_settings(state.task)
            assert (planned.batch_size, 2, *planned.patch_size) == tuple(batch.image.shape)
            found[name].append(tuple(batch.image.shape))
            return step(self, state, batch)

        monkeypatch.setattr(NnUNetTrainer, name, wrapped)

    for name in found:
        follow(name)
    return found


@pytest.fixture
def loaders(monkeypatch):
    """First epoch and end of every loader of training batches."""
    made = []

    def make_loader(*given, end, sampler):
        made.append((given[-1], end))
        return make(*given, end=end, sampler=sampler)

    make = epoch_batches.make_loader
    monkeypatch.setattr(epoch_batches, "make_loader", make_loader)
    return made


def trained(trainer, task):
    trainer.train(task)
    return load_file(task.run.final_weights)


def are_equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def stopped(trainer, folder, epochs, **setting):
    """A task whose training stopped after this number of epochs, with a saved state."""
    task = make_task(folder, Setting(axes=3, **setting))
    training = loop.Training(trainer, task)
    epoch = training._epoch

    def some(*given):
        epoch(*given)
        if training.position.epoch == epochs:
            training.files.save_state(training.position)
            raise KeyboardInterrupt

    training._epoch = some
    with pytest.raises(KeyboardInterrupt):
        training.run()
    return make_task(folder, Setting(axes=3, **setting))


def test_each_epoch_has_its_sizes_and_validation_the_planned_ones(tmp_path, seen, loaders):
    augmenter = Crop()
    task = make_task(tmp_path, Setting(axes=3, augmenter=augmenter))
    assert len(trained(Growing(**SHORT), task)) == len(task.network.state_dict())
    assert seen["training_step"] == [shape for shape in SHAPES for _ in range(2)]
    assert seen["validation_step"] == [SHAPES[-1]] * 4
    assert loaders == [(0, 2), (2, 3), (3, 4)]
    assert [context.patch_size for context in augmenter.contexts if context.patch_size != (8, 8, 8)] == [
        (4, 4, 4),
        (4, 8, 8),
    ]


def test_a_training_without_changes_has_one_loader(tmp_path, loaders):
    NnUNetTrainer(**SHORT, epochs=3).train(make_task(tmp_path, Setting(axes=3)))
    assert loaders == [(0, 3)]


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_stop_in_or_between_any_sizes_changes_no_bit(tmp_path, epochs):
    trainer = Growing(**SHORT)
    whole = trained(trainer, make_task(tmp_path / "whole", Setting(axes=3, workers=3)))
    assert are_equal(trained(trainer, stopped(trainer, tmp_path / "stopped", epochs)), whole)
    plain = trained(NnUNetTrainer(**SHORT, epochs=4), make_task(tmp_path / "plain", Setting(axes=3)))
    assert not are_equal(plain, whole)


@dataclass(frozen=True)
class Corner:
    """A sampler of one place."""

    case: str

    def bind(self, context):
        assert context.batch_size == 2
        return self

    def draw(self, sample, rng):
        return PatchPlace(self.case, (0, 0, 0))


def test_the_sampler_of_an_epoch_places_its_patches_alone(tmp_path, loaders):
    planned = BatchSettings((8, 8, 8), 2)
    sizes = (planned, replace(planned, sampler=Corner("a")), replace(planned, sampler=Corner("a")), planned)
    task = make_task(tmp_path, Setting(axes=3))
    opened = []

    class Following(Callback):
        def on_epoch_end(self, state, line):
            opened.append(set(task.cases.opened) - {"c"})
            task.cases.opened.clear()

    class Watched(Growing):
        def callbacks(self):
            return [Following()]

    Watched(**{**SHORT, "iterations_per_epoch": 9}, sizes=sizes).train(task)
    assert loaders == [(0, 1), (1, 3), (3, 4)]
    assert opened[1] == opened[2] == {"a"}
    assert opened[0] == opened[3] == {"a", "b"}


class Rescue(Callback):
    """From the first validation on, other patches in smaller batches."""

    def __init__(self):
        self.since = None

    def on_epoch_end(self, state, line):
        if self.since is None:
            self.since = line.epoch + 1

    def batch_settings(self, settings, epoch):
        changed = self.since is not None and epoch >= self.since
        return replace(settings, batch_size=1, sampler=ClassBalanced(oversampling=1)) if changed else settings

    def state_dict(self):
        return {"since": self.since}

    def load_state_dict(self, state):
        self.since = state["since"]


@dataclass(frozen=True, kw_only=True)
class Rescued(NnUNetTrainer):
    epochs: int = 3

    def callbacks(self):
        return [Rescue()]


def test_a_callback_changes_the_batches_because_of_an_epoch_and_a_stop_changes_no_bit(tmp_path, seen, loaders):
    trainer = Rescued(**SHORT)
    whole = trained(trainer, make_task(tmp_path / "whole", Setting(axes=3)))
    assert [shape[0] for shape in seen["training_step"]] == [2, 2, 1, 1, 1, 1]
    assert loaders == [(0, 3), (1, 3)], "batches that were made ahead of the change are dropped"
    for epochs in (1, 2):
        assert are_equal(trained(trainer, stopped(trainer, tmp_path / f"{epochs}", epochs)), whole)


WRONG = {
    "instead of nnplug_nnunet.training.batch_settings.BatchSettings": (8, 8, 8),
    "for epoch 1 batches of 2 patches of 8 x 8 voxels; expected 3 axes": BatchSettings((8, 8), 2),
    "for epoch 1 batches of 0 patches of 8 x 8 x 8 voxels; expected positive integers": BatchSettings((8, 8, 8), 0),
    "batches of 2 patches of 8 x 8 x 4.0 voxels; expected positive integers": BatchSettings((8, 8, 4.0), 2),
    r"of 8 x 8 x 7 voxels; patch size \[8, 8, 7\] does not fit; every axis must be even": BatchSettings((8, 8, 7), 2),
}


@pytest.mark.parametrize("message", WRONG)
def test_settings_that_cannot_be_trained_with_are_refused_before_the_training(tmp_path, message, seen):
    trainer = Growing(**SHORT, epochs=2, sizes=(SIZES[0], WRONG[message]))
    with pytest.raises(InvalidPlugin, match=f"test_epoch_batches.Growing gave .*{message}"):
        trainer.train(make_task(tmp_path, Setting(axes=3)))
    assert seen["training_step"] == []


def test_the_batch_of_every_epoch_must_have_a_patch_for_every_device(tmp_path, monkeypatch):
    monkeypatch.setattr(World, "wait", lambda self: None)  # the other processes are not there
    task = replace(make_task(tmp_path, Setting(axes=3)), world=World(0, 3))
    with pytest.raises(NnplugError, match="a batch of 2 cannot be shared by 3 devices"):
        Growing(**SHORT).train(task)


def test_the_memory_of_a_step_is_counted_with_the_largest_batch(tmp_path, seen):
    task = make_task(tmp_path, Setting(axes=3))
    sizes = (SIZES[0], BatchSettings((4, 4, 4), 17), SIZES[-1])  # 17 x 64 > 2 x 512
    rehearse(Growing(**SHORT, epochs=3, sizes=sizes), task, torch.device("cpu")).step()
    assert seen["training_step"] == [(17, 2, 4, 4, 4)]


def test_a_network_is_compiled_for_each_size_and_learns_the_same(tmp_path, monkeypatch):
    shapes, compile_with = [], torch.compile

    def compile_eagerly(network, **options):
        if isinstance(network, torch.nn.Module):  # and not the trial of the compiler
            shapes.append(options)
        return compile_with(network, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", compile_eagerly)
    trainer = Growing(**SHORT)
    plain = trained(trainer, make_task(tmp_path / "plain", Setting(axes=3)))
    assert shapes == []
    fast = replace(trainer, compile="always")
    compiled = trained(fast, make_task(tmp_path / "compiled", Setting(axes=3)))
    assert shapes == [{"dynamic": False}, {"dynamic": False}, {}], "that of the planned size serves validation too"
    assert all(torch.allclose(compiled[name], plain[name], atol=1e-5) for name in plain)
    assert are_equal(trained(fast, stopped(fast, tmp_path / "stopped", 2)), compiled)


def test_a_graph_is_recorded_for_each_size(tmp_path, monkeypatch):
    recorded = []

    class Replayer:
        def aside(self):
            return torch.enable_grad()

        def record(self, work):
            place = torch.zeros(())
            recorded.append(place)
            return lambda: place.copy_(work()), place

    def choose(trainer, state, callbacks):
        return GraphedStep(trainer.training_step, Replayer(), state.task.progress.notice)

    trainer = Growing(**{**SHORT, "iterations_per_epoch": WARM_UP + 1})
    plain = trained(trainer, make_task(tmp_path / "plain", Setting(axes=3)))
    monkeypatch.setattr(loop, "choose_step", choose)
    graphed = trained(trainer, make_task(tmp_path / "graphed", Setting(axes=3)))
    assert len(recorded) == 3
    assert all(torch.allclose(graphed[name], plain[name], atol=1e-5) for name in plain)


def test_a_cascade_s_batches_change_too(tmp_path, monkeypatch):
    shapes = []
    step = NnUNetTrainer.training_step
    monkeypatch.setattr(
        NnUNetTrainer, "training_step", lambda *given: shapes.append(tuple(given[2].image.shape)) or step(*given)
    )
    task = make_task(tmp_path, Setting(axes=2, previous=True))
    sizes = (BatchSettings((4, 8), 3), BatchSettings((8, 8), 2))
    Growing(**SHORT, epochs=2, sizes=sizes).train(task)
    channels = 2 + len(task.previous_labels)
    assert shapes == [(3, channels, 4, 8)] * 2 + [(2, channels, 8, 8)] * 2


def test_settings_are_applied_to_the_configuration_alone(tmp_path):
    task = make_task(tmp_path, Setting(axes=3))
    assert planned_settings(task).applied(task) is task
    changed = SIZES[0].applied(task)
    assert planned_settings(changed) == SIZES[0]
    expected = msgspec.structs.replace(task.configuration, patch_size=(4, 4, 4), batch_size=5)
    assert changed == replace(task, configuration=expected)
