"""The seam of trainers: a subclass's optimizer and learning rate are what moves the weights."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from types import ModuleType
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts import TrainingLength, read_log
from nnplug.errors import InvalidOptions, InvalidPlugin, NnplugError
from nnplug.registry.components import Entry, Registry, Source
from nnplug.registry.entries import TrainerComponent
from nnplug.runtime.progress import Silent
from nnplug.testing import checks
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.augmentation.batch import BatchPipeline
from nnplug_nnunet.training import loop
from nnplug_nnunet.training.averaged_weights import ExponentialAverage
from nnplug_nnunet.training.trainer import NnUNetTrainer, PatchTrainer


@dataclass(frozen=True, kw_only=True)
class WarmAdam(PatchTrainer):
    """Adam, whose learning rate rises with every iteration."""

    lr: float = 1e-3
    rates: ClassVar[list[float]] = []

    def make_optimizer(self, network):
        optimizer = torch.optim.Adam(network.parameters(), lr=1.0)
        optimizer.register_step_pre_hook(lambda o, *_: self.rates.append(o.param_groups[0]["lr"]))
        return optimizer

    def learning_rate(self, iteration):
        return self.lr * (iteration + 1) / self.iterations


class Recorder(Silent):
    """Progress that keeps its notices."""

    def __init__(self, notices):
        super().__init__()
        self.notice = notices.append


@pytest.fixture
def kit(monkeypatch):
    """`kit(target, **options)`: the conformance kit's checks of a trainer, by name."""

    def run(target, **options):
        module = ModuleType("fake_trainers")
        module.Fake = target
        monkeypatch.setitem(sys.modules, "fake_trainers", module)
        component = TrainerComponent("fake", "fake_trainers:Fake", "", extends_runs=True, rehearses=True)
        entry = Entry(component, Source("fake", "nnplug-fake", "1.0"))
        return {check.name: check for check in checks(entry, Registry([entry]), options=options)}

    return run


def test_the_learning_rate_is_asked_for_every_iteration(kit):
    WarmAdam.rates.clear()
    kit(WarmAdam, epochs=3, iterations_per_epoch=2)["trains a 2D network"].run()
    assert WarmAdam.rates == [1e-3 * i / 6 for i in range(1, 7)]


@dataclass(frozen=True, kw_only=True)
class Averaged(NnUNetTrainer):
    """nnU-Net's training, saved with the moving average of its weights."""

    def prepare_weights(self, network):
        return ExponentialAverage(network, 0.9)


@pytest.mark.parametrize("trainer", [WarmAdam, Averaged])
def test_a_trainer_with_other_steps_keeps_the_contract(kit, trainer):
    """Among them that it goes on after a kill with equal weights."""
    assert {name: check.problem() for name, check in kit(trainer).items() if check.problem()} == {}


def test_the_default_keeps_its_learning_rate_for_an_epoch():
    trainer = NnUNetTrainer(epochs=10, iterations_per_epoch=3)
    rates = [trainer.learning_rate(iteration) for iteration in range(trainer.iterations)]
    assert rates == [0.01 * (1 - epoch / 10) ** 0.9 for epoch in range(10) for _ in range(3)]


def test_an_exploding_loss_is_told_with_its_learning_rate(kit):
    check = kit(NnUNetTrainer, initial_lr=1e36, epochs=3)["trains a 3D network"]
    assert (
        "at learning rate 1e+36; a lower rate or full precision may help. "
        "Train it again from the start with trainer.precision=float32 in options and fresh=True."
        in (check.problem() or "")
    )


def test_a_trainer_extends_one_of_its_own_kind_alone():
    short, long = WarmAdam(epochs=2), WarmAdam(epochs=3)
    assert long.extends(short)
    assert not short.extends(long)
    assert not WarmAdam(epochs=3, lr=0.1).extends(short)
    assert not NnUNetTrainer(epochs=3).extends(short)


SHORT = {"epochs": 2, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1}


def test_a_longer_training_begins_with_the_weights_and_the_momentum_of_the_end(tmp_path):
    task = make_task(tmp_path, Setting(axes=3))
    NnUNetTrainer(**SHORT).train(task)
    end = torch.load(task.run.final_state, weights_only=True)
    averages = {number: entry["momentum_buffer"] for number, entry in end["optimizer"]["state"].items()}
    assert {average.dtype for average in averages.values()} == {torch.bfloat16}
    task.run.final_state.rename(task.run.state)
    training = loop.Training(NnUNetTrainer(**{**SHORT, "epochs": 4}), make_task(tmp_path, Setting(axes=3)))
    final, network = load_file(task.run.final_weights), training.network.state_dict()
    assert all(torch.equal(final[name], value) for name, value in network.items())
    state = training.optimizer.state_dict()["state"]
    assert all(torch.equal(state[i]["momentum_buffer"], a.float()) for i, a in averages.items())
    assert training.position.epoch == 2


def test_a_training_in_float32_goes_on_with_a_loss_scaler(tmp_path):
    NnUNetTrainer(**SHORT, precision="float32").train(task := make_task(tmp_path, Setting(axes=3)))
    task.run.final_state.rename(task.run.state)
    training = loop.Training(NnUNetTrainer(**{**SHORT, "epochs": 3}, precision="float16"), task)
    assert training.scaler.is_enabled()
    assert training.position.epoch == 2


class Overflow(torch.nn.Module):
    """A network that overflows in the batches of the given numbers, counted from 0."""

    def __init__(self, network, numbers):
        super().__init__()
        self.network, self.numbers, self.calls = network, numbers, 0

    def forward(self, image):
        factor = float("inf") if self.calls in self.numbers else 1.0
        self.calls += self.training
        outputs = self.network(image)
        return [logits * factor for logits in outputs] if self.training else outputs


@pytest.mark.parametrize(("numbers", "ends"), [({1}, False), ({0, 1, 2}, True)])
def test_an_overflow_in_float16_changes_no_weights_and_ends_no_training(tmp_path, numbers, ends):
    notices = []
    task = make_task(tmp_path, Setting(axes=3))
    task = replace(task, network=Overflow(task.network, numbers), progress=Recorder(notices))
    trainer = NnUNetTrainer(**{**SHORT, "iterations_per_epoch": 4}, precision="float16")
    if ends:
        with pytest.raises(NnplugError, match="training loss of 3 of the 4 iterations of epoch 0 is not finite"):
            trainer.train(task)
        return
    trainer.train(task)
    assert any("the training loss of 1 of 4 iterations is not finite in float16" in notice for notice in notices)
    assert all(torch.isfinite(value).all() for value in load_file(task.run.final_weights).values())
    assert all(math.isfinite(line.train_loss) for line in read_log(task.run.log))


def test_one_overflow_in_float32_ends_a_training(tmp_path):
    task = make_task(tmp_path, Setting(axes=3))
    task = replace(task, network=Overflow(task.network, {1}))
    with pytest.raises(NnplugError, match=r"is not finite at learning rate 0.01; a lower rate may help\.$"):
        NnUNetTrainer(**SHORT, precision="float32").train(task)


@dataclass(frozen=True, kw_only=True)
class ThreeLosses(NnUNetTrainer):
    """A step that returns no scalar."""

    def training_step(self, state, batch):
        return super().training_step(state, batch).expand(3)


def test_a_step_whose_loss_is_no_scalar_is_told(tmp_path):
    with pytest.raises(InvalidPlugin, match=r"ThreeLosses gave a training loss of shape \(3,\); expected a scalar"):
        ThreeLosses(**SHORT).train(make_task(tmp_path, Setting(axes=3)))


def test_patience_ends_a_training_that_does_not_get_better(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "mean_dice", lambda _: 0.5)
    task = make_task(tmp_path, Setting(axes=3))
    NnUNetTrainer(**{**SHORT, "epochs": 9}, patience=2).train(task)
    assert len(read_log(task.run.log)) == 3
    assert task.run.is_finished


@pytest.mark.parametrize("name", ["initial_lr", "epochs", "gradient_clip"])
def test_numbers_that_teach_nothing_are_refused(name):
    with pytest.raises(InvalidOptions, match=f"trainer option {name} is 0; it must be above 0"):
        NnUNetTrainer(**{name: 0})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("momentum", 1.5, "from 0 to below 1"), ("momentum", -1, "from 0 to below 1"), ("weight_decay", -1, "at least 0")],
)
def test_numbers_out_of_range_are_refused(name, value, expected):
    with pytest.raises(InvalidOptions, match=f"trainer option {name} is {value}; it must be {expected}"):
        NnUNetTrainer(**{name: value})


def losses(folder, **options):
    """Of a short training in float32 with every transform drawn often."""
    often = {f"p_{name}": 0.5 for name in ("rotation", "scaling", "noise", "blur", "contrast", "gamma")}
    task = replace(make_task(folder, Setting(axes=3)), augmenter=NnunetAugmenter(**often))
    short = {"epochs": 2, "iterations_per_epoch": 4, "val_iterations_per_epoch": 1, "precision": "float32"}
    NnUNetTrainer(**short, **options).train(task)
    return [epoch.train_loss for epoch in read_log(task.run.log)]


def test_batches_that_the_device_augments_teach_the_same(tmp_path):
    threads, device = (losses(tmp_path / place, augment_on=place) for place in ("threads", "device"))
    assert device == pytest.approx(threads, abs=1e-3)


def test_batches_are_augmented_where_it_is_asked(tmp_path, monkeypatch):
    calls = []
    apply = BatchPipeline.__call__
    monkeypatch.setattr(BatchPipeline, "__call__", lambda *given: calls.append(1) or apply(*given))
    losses(tmp_path / "auto")
    assert calls == [], "on a CPU the threads augment"
    losses(tmp_path / "device", augment_on="device")
    assert len(calls) == 8


@pytest.mark.parametrize("place", ["auto", "device"])
def test_an_augmenter_without_batches_is_told_where_the_device_is_asked_to_augment(tmp_path, place):
    notices = []
    task = replace(make_task(tmp_path, Setting(axes=3)), progress=Recorder(notices))
    NnUNetTrainer(**SHORT, augment_on=place).train(task)
    told = [notice for notice in notices if "threads augment the patches" in notice]
    assert len(told) == (place == "device"), "the kit's augmenter has none; on a CPU the threads are the default"


def test_a_compiled_network_learns_the_same(tmp_path, monkeypatch):
    compile_with = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compile_with(network, backend="aot_eager"))
    plain, compiled = (losses(tmp_path / choice, compile=choice) for choice in ("never", "always"))
    assert compiled == pytest.approx(plain, abs=1e-3)


def test_a_length_becomes_options_and_options_a_length(tmp_path):
    task = make_task(tmp_path, Setting(axes=3))
    assert NnUNetTrainer().length(task) == TrainingLength(250_000, 50_000, 1000)
    options = NnUNetTrainer().options_for(TrainingLength(iterations=250, validation_iterations=40, log_lines=10))
    assert options == {"epochs": 10, "iterations_per_epoch": 25, "val_iterations_per_epoch": 4}
    rounded = NnUNetTrainer(**NnUNetTrainer().options_for(TrainingLength(5, 0, 2))).length(task)
    assert rounded == TrainingLength(iterations=6, validation_iterations=2, log_lines=2)


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_a_training_of_nothing_has_no_length(numbers):
    with pytest.raises(ValueError, match="a training has at least 1 iteration"):
        TrainingLength(*numbers)
