"""A recorded step teaches the same as the step itself; these tests record by computing again, on the CPU."""

from __future__ import annotations

import math
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts import read_log
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training import loop
from nnplug_nnunet.training.averaged_weights import ExponentialAverage
from nnplug_nnunet.training.callbacks import Callback
from nnplug_nnunet.training.graphs import graphed_step
from nnplug_nnunet.training.graphs.graphed_step import WARM_UP, CudaRecorder, GraphedStep
from nnplug_nnunet.training.trainer import NnUNetTrainer

SHORT = {"epochs": 2, "iterations_per_epoch": 6, "val_iterations_per_epoch": 1}


class Replayer:
    """Records by keeping the work: recording computes nothing, and every replay reads the same memory."""

    def __init__(self, error=None):
        self.error, self.recorded, self.replayed, self.warm = error, 0, 0, 0

    @contextmanager
    def aside(self):
        self.warm += 1
        yield

    def record(self, work):
        if self.error is not None:
            raise self.error
        self.recorded += 1
        place = torch.zeros(())

        def replay():
            self.replayed += 1
            place.copy_(work())

        return replay, place


@pytest.fixture
def recorder(monkeypatch):
    """A recorder that every training of the test uses."""
    made = Replayer()

    def choose(trainer, state, callbacks):
        return GraphedStep(trainer.training_step, made, state.task.progress.notice)

    monkeypatch.setattr(loop, "choose_step", choose)
    return made


@dataclass(frozen=True, kw_only=True)
class Averaged(NnUNetTrainer):
    def prepare_weights(self, network):
        return ExponentialAverage(network, 0.9)


TRAINERS = {
    "sgd": NnUNetTrainer(**SHORT, precision="float32"),
    "adamw": NnUNetTrainer(**SHORT, precision="float32", optimizer="adamw", initial_lr=1e-3),
    "float16": NnUNetTrainer(**SHORT, precision="float16"),
    "averaged": Averaged(**SHORT, precision="float32"),
}


def trained(trainer, folder):
    task = make_task(folder, Setting(axes=3))
    trainer.train(task)
    return load_file(task.run.final_weights), [line.train_loss for line in read_log(task.run.log)]


@pytest.mark.parametrize("name", TRAINERS)
def test_it_teaches_the_same(tmp_path, recorder, name):
    graphed, losses = trained(TRAINERS[name], tmp_path / "graphed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "choose_step", lambda trainer, *_: trainer.training_step)
        plain, expected = trained(TRAINERS[name], tmp_path / "plain")
    assert losses == pytest.approx(expected, rel=1e-5)
    assert all(torch.allclose(graphed[key], plain[key], atol=1e-5) for key in plain)
    assert (recorder.warm, recorder.recorded, recorder.replayed) == (WARM_UP, 1, 12 - WARM_UP)


def test_the_learning_rate_of_every_epoch_is_that_of_the_replays(tmp_path, recorder, monkeypatch):
    rates = []
    fused = torch._fused_sgd_
    monkeypatch.setattr(torch, "_fused_sgd_", lambda *a, **k: rates.append(k["lr"]) or fused(*a, **k))
    trained(TRAINERS["sgd"], tmp_path)
    assert all(isinstance(rate, torch.Tensor) for rate in rates)
    assert len({rate.data_ptr() for rate in rates}) == 1, "a graph reads one place"


def test_numbers_of_the_optimiser_stay_numbers_in_the_saved_state(tmp_path, recorder):
    task = make_task(tmp_path, Setting(axes=3))
    TRAINERS["sgd"].train(task)
    (group,) = torch.load(task.run.final_state, weights_only=True)["optimizer"]["param_groups"]
    assert type(group["lr"]) is float
    assert group["lr"] == pytest.approx(0.01 * 0.5**0.9)


def test_a_resumed_training_is_equal_to_the_bit(tmp_path, recorder, monkeypatch):
    whole, _ = trained(TRAINERS["sgd"], tmp_path / "whole")
    task = make_task(tmp_path / "stopped", Setting(axes=3))
    training = loop.Training(TRAINERS["sgd"], task)
    epoch = training._epoch

    def once(*given):
        epoch(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_epoch", once)
    with pytest.raises(KeyboardInterrupt):
        training.run()
    resumed, _ = trained(TRAINERS["sgd"], tmp_path / "stopped")
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_where_no_graph_can_be_made_the_training_goes_on_and_tells_it_once(tmp_path, recorder, monkeypatch):
    notices = []
    whole, losses = trained(TRAINERS["float16"], tmp_path / "whole")
    recorder.error = RuntimeError("operation not permitted\nwhen stream is capturing")
    task = make_task(tmp_path / "failing", Setting(axes=3))
    monkeypatch.setattr(type(task.progress), "notice", lambda _, text: notices.append(text))
    TRAINERS["float16"].train(task)
    told = "a CUDA graph does not work here (operation not permitted); the training continues without it"
    assert notices.count(told) == 1
    assert all(torch.equal(load_file(task.run.final_weights)[key], whole[key]) for key in whole)
    assert [line.train_loss for line in read_log(task.run.log)] == losses


def test_a_step_that_breaks_off_within_the_update_leaves_a_scaler_that_goes_on(tmp_path, recorder, monkeypatch):
    record = recorder.record

    def broken(work):
        place = record(work)
        monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", fail)
        try:
            place[0]()
        finally:
            monkeypatch.undo()
            monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip)
        raise AssertionError("not reached")

    def fail(*_):
        raise RuntimeError("clipping waits for the device")

    clip = torch.nn.utils.clip_grad_norm_
    task = make_task(tmp_path, Setting(axes=3))
    training = loop.Training(TRAINERS["float16"], task)
    step = GraphedStep(training.trainer.training_step, recorder, lambda _: None)
    recorder.record = broken
    batch = next(iter(batches(training)))
    losses = [float(step(training.state, batch)) for _ in range(WARM_UP + 2)]
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]


def batches(training):
    from nnplug_nnunet.training.patches.source import Stream
    from nnplug_nnunet.training.setup import complete_patch_centres, make_loader
    from nnplug_nnunet.training.state import PatchBatch

    complete_patch_centres(training.task)
    with make_loader(training.trainer, training.task, Stream.TRAINING, 0) as loader:
        for batch in loader:
            yield PatchBatch(*batch.on(training.task.device))


class Freezes(Callback):
    """Freezes a parameter after the first epoch."""

    def on_epoch_end(self, state, line):
        next(state.network.parameters()).requires_grad_(False)


@dataclass(frozen=True, kw_only=True)
class Freezing(NnUNetTrainer):
    def callbacks(self):
        return [Freezes()]


def test_a_change_by_a_callback_has_its_effect(tmp_path, recorder):
    trainer = Freezing(**SHORT, precision="float32")
    graphed, losses = trained(trainer, tmp_path / "graphed")
    assert recorder.recorded == 2, "callbacks may change anything at the end of an epoch"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "choose_step", lambda trainer, *_: trainer.training_step)
        plain, expected = trained(trainer, tmp_path / "plain")
    assert losses == pytest.approx(expected, rel=1e-5)
    assert all(torch.allclose(graphed[key], plain[key], atol=1e-5) for key in plain)


def test_another_number_of_the_optimiser_makes_a_new_graph(tmp_path, recorder):
    training = loop.Training(TRAINERS["sgd"], make_task(tmp_path, Setting(axes=3)))
    step = GraphedStep(training.trainer.training_step, recorder, lambda _: None)
    batch = next(iter(batches(training)))
    for _ in range(WARM_UP + 1):
        step(training.state, batch)
    training.optimizer.param_groups[0]["weight_decay"] = 0.1
    for _ in range(WARM_UP + 1):
        step(training.state, batch)
    assert (recorder.recorded, recorder.replayed) == (2, 2)


def test_a_batch_of_another_shape_is_computed_as_it_is(tmp_path, recorder):
    training = loop.Training(TRAINERS["sgd"], make_task(tmp_path, Setting(axes=3)))
    step = GraphedStep(training.trainer.training_step, recorder, lambda _: None)
    batch = next(iter(batches(training)))
    for _ in range(WARM_UP + 2):
        step(training.state, batch)
    before = recorder.replayed
    part = replace(batch, image=batch.image[:1], target=batch.target[:1])
    assert step(training.state, part).shape == ()
    assert recorder.replayed == before


@pytest.mark.parametrize("error", [None, RuntimeError("operation failed due to a previous error during capture")])
def test_a_capture_that_breaks_off_is_ended_for_allocator_and_random_numbers(monkeypatch, error):
    ended, states = [], []
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: SimpleNamespace(device=torch.device("cuda", 1)))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=None))
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 7))
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, pool, **__: nullcontext())
    monkeypatch.setattr(torch.cuda, "default_generators", (None, Generator(states)))
    monkeypatch.setattr(torch, "Generator", lambda _: Generator(states))
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", lambda *given: ended.append(given), raising=False)
    monkeypatch.setattr(graphed_step, "free_memory", lambda _: None)

    def work():
        if error is not None:
            raise error

    recorder = CudaRecorder(torch.device("cuda"))
    if error is None:
        recorder.record(work)
        assert (ended, states) == ([], [])
        return
    with pytest.raises(RuntimeError, match="previous error"):
        recorder.record(work)
    assert (ended, states) == ([(1, (0, 7))], ["the seed and the place", "a state of its own"])


class Generator:
    """A generator of random numbers that notes which states it is given."""

    def __init__(self, given):
        self.given = given

    def get_state(self):
        return "the seed and the place"

    def graphsafe_get_state(self):
        return "a state of its own"

    def set_state(self, state):
        self.given.append(state)

    graphsafe_set_state = set_state
