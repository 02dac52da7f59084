"""Callbacks of a training: the order of events, state over a resume, and errors that name them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from nnplug.errors import ComponentFailed, InvalidPlugin
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training.callbacks import Callback, CallbackList
from nnplug_nnunet.training.trainer import NnUNetTrainer

SHORT = {"epochs": 2, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1}


@dataclass(frozen=True, kw_only=True)
class Called(NnUNetTrainer):
    """nnU-Net's training with callbacks; tests set them."""

    chosen: list[Callback] = field(default_factory=list)

    def callbacks(self):
        return self.chosen


@dataclass
class Record(Callback):
    """Every event, with what it was given."""

    events: list = field(default_factory=list)

    def on_train_start(self, state):
        self.events.append(("start", state.epoch))

    def on_iteration_end(self, state, loss):
        self.events.append(("iteration", state.iteration, tuple(loss.shape), loss.requires_grad))

    def on_validation_end(self, state, validation):
        shapes = tuple(validation.batch.image.shape), tuple(validation.logits.shape)
        self.events.append(("validation", state.epoch, len(validation.dice), shapes))

    def on_epoch_end(self, state, line):
        self.events.append(("epoch", state.epoch, line.epoch, line.mean_dice))

    def on_checkpoint(self, state, path):
        assert path.exists()
        self.events.append(("checkpoint", path.name, state.epoch))

    def on_train_end(self, state):
        assert state.task.run.is_finished
        self.events.append(("end", state.epoch))


def test_events_come_in_order_with_their_epoch(tmp_path):
    record = Record()
    task = make_task(tmp_path, Setting(axes=3))
    Called(**SHORT, chosen=[record]).train(task)
    words = [event[0] for event in record.events if event[0] != "checkpoint"]
    epoch = ["iteration", "iteration", "validation", "epoch"]
    assert words == ["start", *epoch, *epoch, "end"]
    assert [event[1:] for event in record.events if event[0] == "iteration"] == [(n, (), False) for n in range(4)]
    batch = task.configuration.batch_size
    patch = task.configuration.patch_size
    validations = [event for event in record.events if event[0] == "validation"]
    assert validations == [("validation", e, 2, ((batch, 2, *patch), (batch, 3, *patch))) for e in (0, 1)]
    saved = [event[1:] for event in record.events if event[0] == "checkpoint"]
    assert saved[:2] == [("weights_best.safetensors", 0), ("state.pt", 0)]


def test_a_training_without_a_callback_per_iteration_calls_none(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(Callback, "on_iteration_end", lambda *_: calls.append(1))
    Called(**SHORT, chosen=[Callback()]).train(make_task(tmp_path, Setting(axes=3)))
    assert calls == []


@dataclass
class Sum(Callback):
    """A running sum of losses, on the device."""

    total: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    fail_at: int | None = None

    def on_iteration_end(self, state, loss):
        if state.iteration == self.fail_at:
            raise KeyboardInterrupt
        self.total = self.total + loss

    def state_dict(self):
        return {"total": self.total, "words": ["a", {"b": None}]}

    def load_state_dict(self, state):
        assert state["words"] == ["a", {"b": None}]
        self.total = state["total"]


def test_the_state_of_a_callback_survives_a_stop_and_an_extension(tmp_path):
    whole, broken, resumed, extended = Sum(), Sum(fail_at=2), Sum(), Sum()
    Called(**SHORT, chosen=[whole]).train(make_task(tmp_path / "whole", Setting(axes=3)))
    with pytest.raises(KeyboardInterrupt):
        Called(**SHORT, chosen=[broken]).train(make_task(tmp_path / "stopped", Setting(axes=3)))
    task = make_task(tmp_path / "stopped", Setting(axes=3))
    Called(**SHORT, chosen=[Callback(), resumed]).callbacks()
    Called(**SHORT, chosen=[resumed]).train(task)
    assert torch.equal(resumed.total, whole.total)
    task.run.final_state.rename(task.run.state)
    Called(**{**SHORT, "epochs": 2}, chosen=[extended]).train(make_task(tmp_path / "stopped", Setting(axes=3)))
    assert torch.equal(extended.total, whole.total), "two epochs were done, so that nothing was added"


@pytest.mark.parametrize(
    "event",
    ["on_train_start", "on_iteration_end", "on_validation_end", "on_epoch_end", "on_checkpoint", "on_train_end"],
)
def test_a_failing_callback_is_named_with_its_event_and_its_trainer(event, tmp_path):
    def fail(*_):
        raise OSError("no\nroute")

    broken = type("Broken", (Callback,), {event: fail})
    with pytest.raises(ComponentFailed) as caught:
        Called(**SHORT, chosen=[broken()]).train(make_task(tmp_path, Setting(axes=3)))
    assert str(caught.value) == (f"callback Broken of {Called.__module__}.Called failed in {event}: OSError: no route")


def test_what_is_no_callback_is_refused():
    with pytest.raises(InvalidPlugin, match="callbacks of builtins.str gave 3, which is no Callback"):
        CallbackList([3], "trainer")


def test_a_state_that_a_file_without_code_cannot_hold_is_refused():
    callback = type("Odd", (Callback,), {"state_dict": lambda _: {"a": [1, {2, 3}]}})()
    with pytest.raises(InvalidPlugin, match="state_dict of callback Odd of builtins.str holds set; expected tensors"):
        CallbackList([callback], "trainer").state_dict()
