"""Marks and tallies of a training in a few lines."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
import torch

from nnplug.contracts import AugmentationContext
from nnplug.dataset.labels import Labels
from nnplug.io.crop_info import CropInfo
from nnplug.profiling.timers import Counter, StepTimer, TimedAugmenter, TimedStore
from nnplug.workspace.case_store import CaseStore, Prepared


class Supervised(torch.nn.Module):
    """Gives a list of logits in training and one in evaluation, as architectures do."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, x):
        y = self.layer(x)
        return [y, y[:, :1]] if self.training else y


def step(network, optimizer):
    optimizer.zero_grad(set_to_none=True)
    sum(logits.square().mean() for logits in network(torch.ones(4, 3))).backward()
    optimizer.step()


@pytest.fixture
def network():
    return Supervised()


def test_every_instant_of_every_iteration_in_order(network):
    watch, steps = StepTimer(torch.device("cpu")), []
    watch.on_step = lambda: steps.append(len(watch.iterations))
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with watch.watching(network):
        for _ in range(3):
            step(network, optimizer)
        with torch.no_grad():
            network.eval()(torch.ones(4, 3))
    assert [iteration.is_whole for iteration in watch.iterations] == [True] * 3
    marks = [mark for iteration in watch.iterations for mark in iteration.marks]
    assert all(watch.seconds(a, b) >= 0 for a, b in pairwise(marks))
    assert steps == [1, 2, 3]
    assert watch.inputs == (4, 3)
    assert len(watch.validation) == 1


def test_a_step_that_was_skipped_is_not_whole(network):
    watch = StepTimer(torch.device("cpu"))
    with watch.watching(network):
        sum(logits.mean() for logits in network(torch.ones(4, 3))).backward()
    assert [iteration.is_whole for iteration in watch.iterations] == [False]


def test_several_passes_before_one_update_are_one_iteration(network):
    """As with a second pass of images without label maps."""
    watch, optimizer = StepTimer(torch.device("cpu")), torch.optim.SGD(network.parameters(), 0.1)
    with watch.watching(network):
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            passes = [network(torch.ones(size, 3))[0].square().mean() for size in (4, 2)]
            sum(passes).backward()
            optimizer.step()
    assert [iteration.is_whole for iteration in watch.iterations] == [True] * 3
    marks = [mark for iteration in watch.iterations for mark in iteration.marks]
    assert marks == sorted(marks)
    assert watch.inputs == (4, 3)


def test_nothing_is_watched_afterwards(network):
    watch = StepTimer(torch.device("cpu"))
    with watch.watching(network):
        pass
    step(network, torch.optim.SGD(network.parameters(), 0.1))
    assert watch.iterations == []


def test_the_weights_learn_the_same_when_watched(network):
    other = Supervised()
    other.load_state_dict(network.state_dict())
    step(other, torch.optim.SGD(other.parameters(), 0.1))
    with StepTimer(torch.device("cpu")).watching(network):
        step(network, torch.optim.SGD(network.parameters(), 0.1))
    assert torch.equal(network.layer.weight, other.layer.weight)


def test_reads_are_counted_and_unchanged(tmp_path):
    shape = (3, 4, 5)
    crop_info = CropInfo(
        original_shape=shape,
        original_spacing=(1, 1, 1),
        transpose_forward=(0, 1, 2),
        bounding_box=((0, 3), (0, 4), (0, 5)),
        shape=shape,
        spacing=(1, 1, 1),
    )
    image = np.arange(60, dtype=np.float32).reshape(1, *shape)
    store, counter = CaseStore(tmp_path / "store"), Counter()
    store.write("a", Prepared(image, image[0].astype(np.int16), crop_info.data()))
    case = TimedStore(store, counter)["a"]
    opened = counter.seconds
    assert np.array_equal(case.image[:, 1:, :2], image[:, 1:, :2])
    assert np.array_equal(np.asarray(case.label), image[0])
    assert counter.seconds > opened > 0


def test_transforms_are_counted_and_unchanged():
    class Doubling:
        source_patch_size = (4, 4)

        def bind(self, context):
            return self

        def __call__(self, image, label, rng):
            return 2 * image, label

    counter = Counter()
    context = AugmentationContext((2, 2), (0, 1), (), Labels({"background": (0,), "a": (1,)}))
    augmentation = TimedAugmenter(Doubling(), counter, StepTimer(torch.device("cpu"))).bind(context)
    image, _ = augmentation(np.ones((1, 4, 4), np.float32), np.zeros((4, 4), np.int16), np.random.default_rng(0))
    assert augmentation.source_patch_size == (4, 4)
    assert image.sum() == 32
    assert counter.seconds > 0


def test_what_the_device_transforms_lies_between_two_marks():
    class Batches:
        def draw(self, rng, channels):
            return rng.random()

        def cut_size(self, drawn):
            return (2, 2)

        def __call__(self, groups):
            time.sleep(0.01)
            return groups

    class Augmenter:
        def bind_batches(self, context):
            return Batches()

    counter, steps = Counter(), StepTimer(torch.device("cpu"))
    context = AugmentationContext((2, 2), (0, 1), (), Labels({"background": (0,), "a": (1,)}))
    batched = TimedAugmenter(Augmenter(), counter, steps).bind_batches(context)
    drawn = batched.draw(np.random.default_rng(0), 1)
    assert (batched.cut_size(drawn), batched(["groups"])) == ((2, 2), ["groups"])
    ((begin, end),) = steps.augmented
    assert steps.seconds(begin, end) >= 0.01
    assert counter.seconds > 0, "drawing is the threads' work"
