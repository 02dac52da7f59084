"""Batches on the device: the same in the same order whether they are moved ahead or not, and errors arrive."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from nnplug.errors import NnplugError
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.training import epoch_batches, loop, setup
from nnplug_nnunet.training.patches.device_batches import CudaLane, DeviceBatches
from nnplug_nnunet.training.patches.source import Stream
from nnplug_nnunet.training.trainer import NnUNetTrainer

CPU = torch.device("cpu")
SHORT = {"epochs": 2, "iterations_per_epoch": 6, "val_iterations_per_epoch": 1, "precision": "float32"}


class Slow:
    """Moves batches in its caller's thread; every other one takes longer."""

    def __init__(self):
        self.threads, self.moved, self.handed = set(), 0, 0

    def move(self, batch):
        number = self.moved = self.moved + 1
        self.threads.add(threading.current_thread().name)
        time.sleep(0.02 * (number % 2))
        return batch.on(CPU), self._hand_over

    def _hand_over(self):
        self.handed += 1


@pytest.fixture
def task(tmp_path):
    often = {f"p_{name}": 0.5 for name in ("rotation", "scaling", "noise", "blur", "contrast", "gamma")}
    task = replace(make_task(tmp_path, Setting(axes=3)), augmenter=NnunetAugmenter(**often))
    setup.complete_patch_centres(task)
    return task


def loader(task, **options):
    return setup.make_loader(NnUNetTrainer(**SHORT, augment_on="device", **options), task, Stream.TRAINING, 0)


@pytest.mark.parametrize("threads", [1, 2])
def test_batches_moved_ahead_are_the_same_in_the_same_order(task, threads):
    lane = Slow()
    with DeviceBatches(loader(task), CPU, lane=None) as plain:
        expected = list(plain)
    with DeviceBatches(loader(task), CPU, lane=lane, threads=threads) as ahead:
        found = list(ahead)
    assert len(found) == len(expected) == 12
    assert all(torch.equal(a, b) for pair in zip(found, expected, strict=True) for a, b in zip(*pair, strict=True))
    assert (lane.moved, lane.handed) == (12, 12)
    assert all(name.startswith("device") for name in lane.threads)


def test_they_are_ahead_by_no_more_than_the_threads_allow(task):
    lane = Slow()
    with DeviceBatches(loader(task), CPU, lane=lane, threads=1) as batches:
        next(batches)
        time.sleep(0.3)
        assert lane.moved == 2
        assert lane.handed == 1


def test_an_error_arrives_where_the_batch_is_asked_for_and_the_threads_end(task):
    class Broken(Slow):
        def move(self, batch):
            raise torch.OutOfMemoryError("no memory")

    before = threading.active_count()
    with DeviceBatches(loader(task), CPU, lane=Broken()) as batches, pytest.raises(torch.OutOfMemoryError):
        next(batches)
    assert threading.active_count() == before
    missing = replace(task, training=("nobody",))
    with pytest.raises(NnplugError), DeviceBatches(loader(missing), CPU, lane=Slow()) as batches:
        next(batches)
    assert threading.active_count() == before


def test_a_training_learns_the_same_from_batches_that_are_moved_ahead(tmp_path, monkeypatch):
    losses = {}
    for name, lane in (("plain", None), ("ahead", Slow())):
        task = make_task(tmp_path / name, Setting(axes=3))
        task = replace(task, augmenter=NnunetAugmenter(p_rotation=0.5))
        monkeypatch.setattr(
            epoch_batches,
            "device_batches",
            lambda task, made, _, lane=lane: DeviceBatches(made, task.device, lane=lane, threads=2),
        )
        training = loop.Training(NnUNetTrainer(**SHORT, augment_on="device"), task)
        training.run()
        losses[name] = task.run.log.read_text().count("\n"), [p.sum().item() for p in training.network.parameters()]
    assert losses["ahead"] == losses["plain"]


def test_a_cpu_moves_nothing_ahead(task):
    before = threading.active_count()
    made = loader(task)
    own = threading.active_count() - before
    with setup.device_batches(task, made, setup.make_lane(CPU)) as batches:
        assert threading.active_count() - before == own
        next(batches)


def test_small_batches_get_two_threads(task, monkeypatch):
    seen = []
    monkeypatch.setattr(setup, "DeviceBatches", lambda *_, lane, threads: seen.append((lane, threads)))
    gpu, lane = replace(task, device=torch.device("cuda")), Slow()
    setup.device_batches(gpu, None, lane)
    monkeypatch.setattr(setup, "_SMALL_BATCH", 10)
    setup.device_batches(gpu, None, lane)
    assert seen == [(lane, 2), (lane, 1)]


def test_a_lane_has_as_many_streams_as_threads_use_it_at_a_time(task, monkeypatch):
    made = []

    class Stream:
        def __init__(self, device):
            made.append(device)

        def record_event(self):
            return None

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: SimpleNamespace(wait_event=lambda _: None))
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda *_: None)
    lane = CudaLane(CPU)
    for _ in range(5):  # one after the other, as for patches that grow
        with setup.device_batches(replace(task, device=CPU), loader(task), lane) as batches:
            assert len(list(batches)) == 12
    assert len(made) == 1
