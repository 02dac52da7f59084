"""Batches of patches: what is cut, that it depends on its place only, and how the threads fail and end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import pytest
import torch

from nnplug.contracts import PatchPlace
from nnplug.errors import NnplugError
from nnplug.workspace.case_index import StoredIndex
from nnplug_nnunet.training.patches import loading
from nnplug_nnunet.training.patches.batches import Batch
from nnplug_nnunet.training.patches.loading import PatchLoader
from nnplug_nnunet.training.patches.samplers import BatchSampling, ForegroundSampling
from nnplug_nnunet.training.patches.sampling import PatchBox
from nnplug_nnunet.training.patches.source import PatchSource, Stream, cut, cut_previous


@dataclass
class Voxels:
    """What patches may be centred on, as `StoredArray` gives it."""

    array: np.ndarray

    def rows(self, start, stop):
        return self.array[start:stop]


@dataclass
class Case:
    name: str
    image: np.ndarray
    label: np.ndarray
    index: StoredIndex = field(default_factory=StoredIndex)
    previous: np.ndarray | None = None


def make_case(seed):
    rng = np.random.default_rng(seed)
    label = rng.integers(-1, 3, (6, 12, 14)).astype(np.int8)
    voxels = np.argwhere(label == 1)
    index = StoredIndex(None, {"voxels": Voxels(voxels)}, {"foreground": {"1": len(voxels)}, "annotated": None})
    return Case(f"case_{seed}", rng.normal(size=(2, 6, 12, 14)).astype(np.float32), label, index)


class Noise:
    """An augmentation that crops and adds noise."""

    source_patch_size = (8, 10, 10)

    def __call__(self, image, label, rng):
        image, label = image[:, :4, :8, :8], label[:4, :8, :8]
        return image + rng.normal(size=image.shape).astype(np.float32), np.maximum(label, 0)[:, ::-1]


@pytest.fixture
def source():
    cases = {f"case_{i}": make_case(i) for i in range(5)}
    return PatchSource(
        cases=cases,
        sampling=ForegroundSampling(cases, tuple(cases), batch_size=3, oversampling=0.33),
        patch_size=(4, 8, 8),
        batch_size=3,
        seed=7,
        stream=Stream.TRAINING,
        augmentation=Noise(),
    )


def batches(source, workers, places):
    with PatchLoader(source, places, workers=workers) as loader:
        return list(loader)


def same(one, other):
    return torch.equal(one.image, other.image) and torch.equal(one.label, other.label)


def test_a_box_inside_is_the_cases_own_values():
    case = make_case(0)
    image, label = cut(case, PatchBox((1, 2, 3), (2, 4, 5)))
    np.testing.assert_array_equal(image, case.image[:, 1:3, 2:6, 3:8])
    np.testing.assert_array_equal(label, case.label[1:3, 2:6, 3:8])
    assert (image.dtype, label.dtype) == (np.float32, np.int16)


def test_outside_the_case_the_image_is_0_and_the_label_minus_1():
    case = make_case(0)
    image, label = cut(case, PatchBox((-2, 9, -1), (10, 5, 20)))
    np.testing.assert_array_equal(image[:, 2:8, :3, 1:15], case.image[:, :, 9:])
    np.testing.assert_array_equal(label[2:8, :3, 1:15], case.label[:, 9:])
    assert np.count_nonzero(image) == case.image[:, :, 9:].size
    assert (label == -1).sum() == label.size - (case.label[:, 9:] != -1).sum()


def test_a_box_beyond_the_case_is_empty():
    image, label = cut(make_case(0), PatchBox((20, -9, 0), (3, 4, 5)))
    assert not image.any()
    assert (label == -1).all()


def test_shapes_and_types_of_a_batch(source):
    (batch,) = batches(source, 0, [(0, 0)])
    assert batch.image.shape == (3, 2, 4, 8, 8)
    assert batch.label.shape == (3, 1, 4, 8, 8)
    assert (batch.image.dtype, batch.label.dtype) == (torch.float32, torch.int16)


def test_a_2d_patch_is_one_slice(source):
    flat = replace(source, patch_size=(8, 8), augmentation=None)
    (batch,) = batches(flat, 0, [(0, 0)])
    assert batch.image.shape == (3, 2, 8, 8)
    assert batch.label.shape == (3, 1, 8, 8)


def test_batches_do_not_depend_on_the_number_of_workers(source):
    places = list(product(range(2), range(4)))
    alone = batches(source, 0, places)
    for workers in (1, 3):
        assert all(same(*pair) for pair in zip(alone, batches(source, workers, places), strict=True))
    assert not any(same(alone[0], other) for other in alone[1:])


@dataclass(frozen=True)
class Sharing(BatchSampling):
    """All patches of a batch are of one case; each notes its draws."""

    drawn: list = field(default_factory=list)

    def draw_in_batch(self, sample, rng, batch_rng):
        shared, own = batch_rng.integers(5), rng.integers(1000)
        self.drawn.append((int(shared), int(own)))
        return PatchPlace(f"case_{shared}", None)


def test_the_patches_of_a_batch_share_draws_and_have_their_own(source):
    sharing = replace(source, sampling=Sharing())
    places = list(product(range(2), range(4)))
    alone = batches(sharing, 0, places)
    drawn = [sharing.sampling.drawn[n : n + 3] for n in range(0, 24, 3)]
    assert all(len({shared for shared, _ in batch}) == 1 for batch in drawn)
    assert len({shared for ((shared, _), *_) in drawn}) > 1
    assert len({own for batch in drawn for _, own in batch}) > 20
    several = batches(replace(source, sampling=Sharing()), 3, places)
    assert all(same(*pair) for pair in zip(alone, several, strict=True))
    assert sharing.sampling.draw(0, np.random.default_rng(1)) == PatchPlace(
        f"case_{np.random.default_rng(1).integers(5)}", None
    )


def test_a_resume_at_any_place_gives_the_same_batches(source):
    whole = batches(source, 2, product(range(2), range(3)))
    rest = batches(source, 2, list(product(range(2), range(3)))[4:])
    assert all(same(*pair) for pair in zip(whole[4:], rest, strict=True))


def test_training_and_validation_draw_apart(source):
    training = replace(source, augmentation=None)
    validation = replace(training, stream=Stream.VALIDATION)
    assert not same(batches(training, 0, [(0, 0)])[0], batches(validation, 0, [(0, 0)])[0])


def test_without_augmentation_outside_becomes_background(source):
    plain = replace(source, augmentation=None, patch_size=(20, 20, 20))
    (batch,) = batches(plain, 0, [(0, 0)])
    assert batch.label.min() == 0
    assert batch.label.max() == 2


def test_forced_samples_are_centred_on_foreground(source):
    forced = replace(source.sampling, oversampling=1.0)
    plain = replace(source, augmentation=None, patch_size=(3, 3, 3), sampling=forced)
    for batch in batches(plain, 0, product([0], range(10))):
        inside = (batch.label == 1).flatten(1).any(1)
        assert inside.all()


def test_an_error_in_a_worker_names_the_case_and_the_step(source):
    def unreadable(*_):
        raise OSError("disk on fire")

    for workers in (0, 2):
        broken = replace(source, cases={name: _Broken() for name in source.cases})
        with pytest.raises(NnplugError, match=r"case 'case_\d': reading a patch failed \(OSError: disk on fire\)"):
            batches(broken, workers, product([0], range(10)))
    with pytest.raises(NnplugError, match=r"case 'case_\d': augmenting a patch failed \(OSError: disk on fire\)"):
        batches(replace(source, augmentation=_Failing()), 2, product([0], range(10)))


class _Broken(Case):
    def __init__(self):
        pass

    @property
    def label(self):
        raise OSError("disk on fire")


class _Failing(Noise):
    def __call__(self, *_):
        raise OSError("disk on fire")


def test_batches_ahead_take_bounded_memory_whatever_the_number_of_workers(source, monkeypatch):
    (batch,) = batches(source, 0, [(0, 0)])
    monkeypatch.setattr(loading, "AHEAD", int(3.5 * batch.locked_bytes))
    made = []
    monkeypatch.setattr(PatchSource, "batch", lambda *_, **__: made.append(1) or batch)
    with PatchLoader(source, product([0], range(100)), workers=8) as loader:
        for number in range(1, 31):
            next(loader)
            time.sleep(0.002)
            assert number < 8 or len(made) - number <= 3
    assert len(made) < 40


@pytest.mark.parametrize("place", ["device", "threads"])
def test_batches_for_a_gpu_are_cut_into_page_locked_memory(source, monkeypatch, place):
    asked, make = [], torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, pin_memory=False, **k: asked.append(pin_memory) or make(*a, **k))
    monkeypatch.setattr(torch.Tensor, "pin_memory", None)
    if place == "device":
        source = replace(source, batched=Unchanged())
    with PatchLoader(source, [(0, 0)], workers=1, pin_memory=True) as loader:
        batch = next(loader)
    assert asked
    assert all(asked)
    (again,) = batches(source, 1, [(0, 0)])
    assert all(torch.equal(*pair) for pair in zip(tensors(batch), tensors(again), strict=True))


class Unchanged:
    """An augmentation of batches that does nothing."""

    def draw(self, rng, channels):
        return int(rng.integers(2))

    def cut_size(self, drawn):
        return (4, 8, 8) if drawn else (6, 10, 10)


def tensors(batch):
    groups = [batch] if isinstance(batch, Batch) else batch.groups
    return [tensor for group in groups for tensor in (group.image, group.label)]


def test_the_threads_end_with_the_loader(source):
    before = threading.active_count()
    with PatchLoader(source, product([0], range(1000)), workers=3) as loader:
        next(loader)
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_the_threads_compute_on_one_core_and_leave_the_caller_its_own(source):
    seen = []

    class Watching(Noise):
        def __call__(self, image, label, rng):
            torch.ones(100).sum()
            seen.append(torch.get_num_threads())
            return super().__call__(image, label, rng)

    threads = torch.get_num_threads()
    for workers in (0, 2):
        batches(replace(source, augmentation=Watching()), workers, product([0], range(4)))
    assert set(seen) == {1}
    assert torch.get_num_threads() == threads


class Told(Noise):
    """An augmentation that shows what it got of the previous stage."""

    def __call__(self, image, label, rng, *, previous=None):
        image, label = super().__call__(image, label, rng)
        return np.concatenate((image, previous[None, :4, :8, :8].astype(np.float32))), label


@pytest.fixture
def cascade(source):
    """Cases whose previous label map is the label, 0 outside the mask."""
    cases = {name: replace(case, previous=np.maximum(case.label, 0)) for name, case in source.cases.items()}
    return replace(source, cases=cases, previous_labels=(1, 2))


def test_the_previous_patch_is_where_the_labels_is():
    case = make_case(0)
    box = PatchBox((-2, 9, -1), (10, 5, 20))
    assert cut_previous(case, box) is None
    case.previous = np.maximum(case.label, 0)
    previous, label = cut_previous(case, box), cut(case, box)[1]
    assert previous.dtype == np.int16
    np.testing.assert_array_equal(previous[2:8, :3, 1:15], np.maximum(label[2:8, :3, 1:15], 0))
    assert (previous == -1).sum() == previous.size - previous[2:8, :3, 1:15].size


@pytest.mark.parametrize("patch", [(4, 8, 8), (8, 8)])
def test_without_augmentation_the_previous_labels_are_appended_one_hot(cascade, patch):
    (batch,) = batches(replace(cascade, augmentation=None, patch_size=patch), 0, [(0, 0)])
    assert batch.image.shape == (3, 4, *patch)
    assert torch.equal(batch.image[:, 2:], torch.cat((batch.label == 1, batch.label == 2), 1).float())


def test_the_augmentation_gets_the_previous_labels(cascade):
    (batch,) = batches(replace(cascade, augmentation=Told()), 0, [(0, 0)])
    assert batch.image.shape == (3, 3, 4, 8, 8)
    assert set(batch.image[:, 2].unique().tolist()) <= {-1, 0, 1, 2}


class Pieces:
    """Noise that is drawn by the threads and added in batches."""

    source_patch_size = (8, 10, 10)
    patch_size = (4, 8, 8)

    def draw(self, rng, channels):
        return rng.random() if rng.random() < 0.5 else None

    def cut_size(self, drawn):
        return self.patch_size if drawn is None else self.source_patch_size


def test_drawn_batches_hold_the_centres_of_what_is_cut_whole(source):
    pieces = Pieces()
    drawn = replace(source, augmentation=pieces, batched=pieces, batch_size=12)
    groups = {group.label.shape[1:]: group for group in drawn.batch((0, 0)).groups}
    assert set(groups) == {(4, 8, 8), (8, 10, 10)}
    whole = replace(drawn, batched=None, augmentation=Whole())
    for size, group in groups.items():
        for place, image, label in zip(group.places, group.image, group.label, strict=True):
            full, full_label = whole.sample((0, 0), place)
            box = tuple(slice(n // 2 - s // 2, n // 2 - s // 2 + s) for n, s in zip((8, 10, 10), size, strict=True))
            np.testing.assert_array_equal(image, full[:, *box])
            np.testing.assert_array_equal(label, full_label[box])


class Whole(Pieces):
    """What is cut, unchanged."""

    def __call__(self, image, label, rng):
        return image, label


def test_page_locked_memory_is_counted_in_powers_of_two():
    image, label = torch.empty((1, 1, 10, 10, 10)), torch.empty((1, 1, 10, 10, 10), dtype=torch.int16)
    assert Batch(image, label).locked_bytes == 4096 + 2048
