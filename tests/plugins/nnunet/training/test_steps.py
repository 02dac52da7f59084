"""The steps of `PatchTrainer`: each is overridden, and what the subclass does is what trains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts import PatchPlace, read_log
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training import loop
from nnplug_nnunet.training.averaged_weights import ExponentialAverage
from nnplug_nnunet.training.callbacks import Callback
from nnplug_nnunet.training.state import PatchBatch, Validated
from nnplug_nnunet.training.trainer import NnUNetTrainer, PatchTrainer

SHORT = {"epochs": 2, "iterations_per_epoch": 3, "val_iterations_per_epoch": 1, "precision": "float32"}


def task_in(folder, batch_size=4):
    task = make_task(folder, Setting(axes=3))
    return replace(task, configuration=msgspec.structs.replace(task.configuration, batch_size=batch_size))


def trained(trainer, folder, task=None):
    """The final weights, and the log."""
    task = task or task_in(folder)
    trainer.train(task)
    return load_file(task.run.final_weights), read_log(task.run.log)


def are_equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@dataclass(frozen=True, kw_only=True)
class InParts(NnUNetTrainer):
    """Gradient accumulation: the batch passes in parts of one sample."""

    def training_step(self, state, batch):
        state.zero_gradients()
        total = torch.zeros(())
        for image, target in zip(batch.image.split(1), batch.target.split(1), strict=True):
            loss = state.supervised_loss(state.forward(image), target) / len(batch.image)
            state.backward(loss)
            total += loss.detach()
        state.update(self.gradient_clip)
        return total


def test_accumulated_gradients_teach_as_the_whole_batch(tmp_path):
    parts, log = trained(InParts(**SHORT, loss="ce"), tmp_path / "parts")
    whole, whole_log = trained(NnUNetTrainer(**SHORT, loss="ce"), tmp_path / "whole")
    assert [line.train_loss for line in log] == pytest.approx([line.train_loss for line in whole_log], abs=1e-5)
    assert all(torch.allclose(parts[name], whole[name], atol=1e-4) for name in whole)


@dataclass(frozen=True, kw_only=True)
class MixUp(NnUNetTrainer):
    """The images of a batch are mixed with those in reverse order, and so are the losses."""

    def training_step(self, state, batch):
        share = float(state.random.beta(0.4, 0.4))
        mixed = PatchBatch(share * batch.image + (1 - share) * batch.image.flip(0), batch.target)
        state.zero_gradients()
        logits = state.forward(mixed.image)
        own, other = (state.supervised_loss(logits, target) for target in (batch.target, batch.target.flip(0)))
        loss = share * own + (1 - share) * other
        state.backward(loss)
        state.update(None)
        return loss.detach()


def test_draws_of_a_step_are_those_of_its_iteration_also_after_a_resume(tmp_path):
    whole, _ = trained(MixUp(**SHORT), tmp_path / "whole")
    plain, _ = trained(NnUNetTrainer(**SHORT), tmp_path / "plain")
    assert not are_equal(whole, plain)
    task = stopped(MixUp(**SHORT), tmp_path / "stopped")
    assert are_equal(trained(MixUp(**SHORT), None, task)[0], whole)


def stopped(trainer, folder):
    """A task whose training stopped after its first epoch, with a saved state."""
    task = task_in(folder)
    training = loop.Training(trainer, task)
    epoch = training._epoch

    def once(*given):
        epoch(*given)
        raise KeyboardInterrupt

    training._epoch = once
    with pytest.raises(KeyboardInterrupt):
        training.run()
    assert task.run.state.exists()
    return task_in(folder)


@dataclass(frozen=True, kw_only=True)
class Own(PatchTrainer):
    """Every step that returns an object is the trainer's own."""

    def make_optimizer(self, network):
        first, *others = network.parameters()
        return torch.optim.SGD([{"params": [first], "lr_scale": 0.0}, {"params": others}], lr=1.0)

    def make_schedule(self):
        return lambda iteration: 0.01 * (iteration + 1)

    def make_loss(self, task):
        return lambda logits, target: logits.square().mean() + 0 * target.sum()

    def make_sampler(self, task, names):
        return Corner(task.seed, names[0])

    def validation_step(self, state, batch):
        state.forward(batch.image)
        return Validated(torch.tensor(0.125), torch.nn.functional.one_hot(batch.target[:, 0].long(), 3).movedim(-1, 1))


@dataclass(frozen=True)
class Corner:
    seed: int
    name: str

    def draw(self, sample, rng):
        return PatchPlace(self.name, (0, 0, 0))


def test_optimizer_schedule_loss_sampler_and_validation_are_the_subclass_s(tmp_path):
    task = task_in(tmp_path)
    start = {name: value.clone() for name, value in task.network.state_dict().items()}
    final, log = trained(Own(**SHORT), None, task)
    assert torch.equal(final["fine.weight"], start["fine.weight"]), "its learning rate is 0 times that of the others"
    assert not torch.equal(final["heads.0.weight"], start["heads.0.weight"])
    assert [line.learning_rate for line in log] == [0.0, 0.0]
    assert [line.val_loss for line in log] == [0.125, 0.125]
    assert log[0].mean_dice == 1.0, "the logits are the target"
    assert task.cases.opened == {"a", "b", "c"}, "the index is made of all cases"


def test_a_trainer_without_learning_rate_names_both_ways(tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Unplanned(PatchTrainer):
        def make_optimizer(self, network):
            return torch.optim.SGD(network.parameters(), lr=1.0)

    with pytest.raises(NotImplementedError, match="Unplanned defines neither learning_rate nor make_schedule"):
        Unplanned(**SHORT).train(task_in(tmp_path))


@dataclass(frozen=True, kw_only=True)
class Averaged(NnUNetTrainer):
    """nnU-Net's training with an exponential moving average of its weights."""

    decay: float = 0.9

    def prepare_weights(self, network):
        return ExponentialAverage(network, self.decay)

    def callbacks(self):
        return [Follow()]


class Follow(Callback):
    """The average, calculated again from the weights after each iteration."""

    last = None

    def on_train_start(self, state):
        Follow.last = self
        self.average = None if state.epoch else {k: v.clone() for k, v in state.network.state_dict().items()}
        self.validated = []

    def on_iteration_end(self, state, loss):
        decay = min(0.9, (1 + state.iteration) / (10 + state.iteration))
        self.trained = {name: value.clone() for name, value in state.network.state_dict().items()}
        self.average = {k: decay * v + (1 - decay) * self.trained[k] for k, v in self.average.items()}

    def on_validation_end(self, state, validation):
        self.validated.append({k: v.clone() for k, v in state.network.state_dict().items()})

    def on_epoch_end(self, state, line):
        assert are_equal(self.trained, state.network.state_dict()), "the weights in training go on"


def test_the_average_is_validated_and_saved_and_the_weights_in_training_go_on(tmp_path):
    task = task_in(tmp_path)
    final, _ = trained(Averaged(**SHORT), None, task)
    seen = Follow.last
    assert all(torch.allclose(final[name], seen.average[name], atol=1e-6) for name in final)
    assert are_equal(final, seen.validated[-1])
    assert not are_equal(final, seen.trained)
    assert any(are_equal(load_file(task.run.best_weights), weights) for weights in seen.validated)


def test_a_stopped_average_goes_on_to_the_bit_and_a_finished_one_can_be_extended(tmp_path):
    plain = Averaged(**SHORT)
    whole, _ = trained(plain, tmp_path / "whole")
    task = stopped(replace(plain), tmp_path / "stopped")
    resumed = loop.Training(plain, task)
    raw = torch.load(task.run.state, weights_only=True)["network"]
    assert are_equal(raw, resumed.network.state_dict())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Averaged, "callbacks", lambda _: [])
        assert are_equal(trained(plain, None, task)[0], whole)

        task.run.final_state.rename(task.run.state)
        longer = loop.Training(replace(plain, epochs=3), task_in(tmp_path / "stopped"))
    kept = torch.load(task.run.state, weights_only=True)
    assert are_equal(kept["network"], longer.network.state_dict())
    assert not are_equal(kept["network"], load_file(task.run.final_weights)), "the weights in training, not the average"
    assert are_equal(kept["prepared"]["averages"], dict(longer.prepared.tensors()))
    assert longer.position.epoch == 2


@dataclass(frozen=True, kw_only=True)
class Begun(Averaged):
    """A training whose biases begin at 2, once."""

    def initialise(self, task, network):
        with torch.no_grad():
            network.heads[0].bias.fill_(2)

    def callbacks(self):
        return [AtStart()]


class AtStart(Callback):
    biases: ClassVar[list] = []

    def on_train_start(self, state):
        self.biases.append(state.network.heads[0].bias.tolist())


def test_a_training_begins_with_the_weights_that_the_subclass_sets_and_resumes_with_its_own(tmp_path):
    AtStart.biases.clear()
    first = loop.Training(Begun(**SHORT), task_in(tmp_path / "other"))
    assert first.prepared.tensors()["heads.0.bias"].tolist() == [2, 2, 2], "the average begins with them"
    task = stopped(Begun(**SHORT), tmp_path / "stopped")
    whole, _ = trained(Begun(**SHORT), tmp_path / "whole")
    assert are_equal(trained(Begun(**SHORT), None, task)[0], whole)
    at_first, uninterrupted, resumed = AtStart.biases
    assert at_first == uninterrupted == [2, 2, 2]
    assert resumed != [2, 2, 2]
