"""Where patches are placed: nnunetv2's own bounds and starts, and the distribution of the draws."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug_nnunet.training.patch_centres import Candidates
from nnplug_nnunet.training.patches.sampling import (
    PatchBox,
    draw_box,
    draw_centre,
    is_forced,
    start_bounds,
    with_slice_axis,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "sampling.json").read_text())
NOWHERE = Candidates(foreground=())


def draw_patch(shape, candidates, *, size, network_size, forced, rng):
    centre = draw_centre(candidates, forced=forced, rng=rng)
    return draw_box(shape, centre, size=size, network_size=network_size, rng=rng)


def draw(candidates, *, forced, seed=0, shape=(20, 20, 20)):
    rng = np.random.default_rng(seed)
    return draw_patch(shape, candidates, size=(8, 8, 8), network_size=(8, 8, 8), forced=forced, rng=rng)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['shape']}-{case['size']}")
def test_bounds_are_those_of_nnunetv2(case):
    bounds = start_bounds(case["shape"], with_slice_axis(case["size"]), with_slice_axis(case["network_size"]))
    assert [list(bound) for bound in bounds] == [list(b) for b in zip(case["lowest"], case["highest"], strict=True)]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['shape']}-{case['size']}")
def test_a_chosen_voxel_places_the_patch_as_in_nnunetv2(case):
    sizes = {"size": with_slice_axis(case["size"]), "network_size": with_slice_axis(case["network_size"])}
    for voxel, start in zip(case["voxels"], case["starts"], strict=True):
        here = Candidates(foreground=(np.array([voxel]),))
        box = draw_patch(case["shape"], here, **sizes, forced=True, rng=np.random.default_rng(0))
        assert box.start == tuple(start)


def test_the_forced_samples_of_a_batch_are_those_of_nnunetv2():
    for batch_size, forced in GOLDEN[0]["forced"]:
        assert [is_forced(i, batch_size=batch_size, oversampling=0.33) for i in range(batch_size)] == forced


@given(
    st.tuples(*[st.integers(1, 30)] * 3),
    st.tuples(*[st.integers(1, 16)] * 3),
    st.tuples(*[st.integers(0, 12)] * 3),
    st.integers(0, 99),
)
def test_a_patch_placed_anywhere_holds_a_part_of_the_image(shape, network_size, margin, seed):
    size = tuple(n + m for n, m in zip(network_size, margin, strict=True))
    rng = np.random.default_rng(seed)
    box = draw_patch(shape, NOWHERE, size=size, network_size=network_size, forced=False, rng=rng)
    for start, length, whole in zip(box.start, size, shape, strict=True):
        assert start < whole
        assert start + length > 0


def test_classes_are_drawn_evenly_and_their_voxels_too():
    big = np.array([[10, 10, x] for x in range(8, 12)])
    small = np.array([[5, 10, 10]])
    absent = np.empty((0, 3), int)
    draws = [draw(Candidates((big, absent, small)), forced=True, seed=seed) for seed in range(2000)]
    count = Counter(box.start for box in draws)
    assert count[1, 6, 6] == pytest.approx(1000, abs=120)
    assert all(count[6, 6, x] == pytest.approx(250, abs=75) for x in range(4, 8))


def test_without_foreground_a_forced_patch_lies_anywhere():
    boxes = {draw(Candidates((np.empty((0, 3), int),)), forced=True, seed=seed).start for seed in range(50)}
    assert len(boxes) > 40


def test_with_an_ignore_label_unforced_patches_are_centred_on_annotated_voxels():
    candidates = Candidates((np.array([[5, 5, 5]]),), annotated=np.array([[10, 11, 12]]))
    assert draw(candidates, forced=False).start == (6, 7, 8)
    assert draw(candidates, forced=True).start == (1, 1, 1)


def test_with_an_ignore_label_and_no_foreground_forced_patches_are_centred_on_annotated_voxels():
    candidates = Candidates((np.empty((0, 3), int),), annotated=np.array([[10, 11, 12]]))
    assert draw(candidates, forced=True).start == (6, 7, 8)


def test_a_case_that_nobody_annotated_is_cut_anywhere():
    candidates = Candidates((), annotated=np.empty((0, 3), int))
    assert len({draw(candidates, forced=False, seed=seed).start for seed in range(50)}) > 40


def test_in_2d_the_slice_is_that_of_the_voxel_or_any():
    rng = np.random.default_rng(0)
    sizes = {"size": with_slice_axis((8, 8)), "network_size": with_slice_axis((8, 8)), "rng": rng}
    here = Candidates((np.array([[7, 10, 10]]),))
    assert draw_patch((20, 20, 20), here, **sizes, forced=True) == PatchBox((7, 6, 6), (1, 8, 8))
    slices = Counter(draw_patch((4, 20, 20), NOWHERE, **sizes, forced=False).start[0] for _ in range(800))
    assert sorted(slices) == [0, 1, 2, 3]
    assert min(slices.values()) > 150
