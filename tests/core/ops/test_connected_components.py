import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug.ops.connected_components import largest_component


def mask(*rows):
    return np.array([[c == "#" for c in row] for row in rows])


def test_the_largest_stays():
    assert np.array_equal(largest_component(mask("##.#", "##..")), mask("##..", "##.."))


def test_all_of_the_largest_size_stay():
    assert np.array_equal(largest_component(mask("##.#", "...#", "#...")), mask("##.#", "...#", "...."))


@pytest.mark.parametrize("axes", [2, 3])
def test_voxels_that_share_a_corner_are_connected(axes):
    diagonal = np.eye(3, dtype=bool) if axes == 2 else np.stack([np.diag(row) for row in np.eye(3, dtype=bool)])
    assert np.array_equal(largest_component(diagonal), diagonal)


def test_an_empty_mask_stays_empty():
    assert not largest_component(np.zeros((2, 3, 4), bool)).any()


@given(st.integers(0, 2**32 - 1))
def test_it_keeps_a_part_and_changes_nothing_twice(seed):
    before = np.random.default_rng(seed).random((4, 5, 6)) < 0.15
    copy = before.copy()
    kept = largest_component(before)
    assert np.array_equal(before, copy)
    assert not (kept & ~before).any()
    assert kept.any() == before.any()
    assert np.array_equal(largest_component(kept), kept)
