"""Surface distances: MONAI's figures, and what can be told without any library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nnplug.ops.surface import surface_distances

GOLDEN = json.loads((Path(__file__).parent / "golden" / "surfaces.json").read_text())
CASES = {  # as in bench/oracle/surfaces.py
    "isotropic": ((20, 24, 22), (1.0, 1.0, 1.0)),
    "anisotropic": ((9, 30, 28), (5.0, 0.7, 0.9)),
    "plane": ((40, 32), (0.5, 2.0)),
}
TOLERANCE = 2.0


def masks(shape):
    rng = np.random.default_rng(3)
    fields = [ndimage.gaussian_filter(rng.normal(size=shape), 2) for _ in range(2)]
    return [field > np.quantile(field, 0.8) for field in (fields[0], fields[0] + 0.5 * fields[1])]


def box(shape, *sides):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


@pytest.mark.parametrize("name", CASES)
def test_figures_are_monais(name):
    shape, spacing = CASES[name]
    distances = surface_distances(*masks(shape), spacing)
    ours = {
        "HD": distances.hausdorff(),
        "HD95": distances.hausdorff(95),
        "ASSD": distances.mean(),
        "NSD": distances.dice(TOLERANCE),
    }
    assert ours == pytest.approx(GOLDEN[name], rel=1e-5)


def test_a_slice_is_measured_in_its_plane():
    first, second = masks((40, 32))
    flat = surface_distances(first, second, (0.5, 2.0))
    slab = surface_distances(first[None], second[None], (999.0, 0.5, 2.0))
    assert np.array_equal(flat.from_first, slab.from_first)
    assert np.array_equal(flat.from_second, slab.from_second)


def test_a_shift_is_a_distance_in_mm():
    first, second = box((12, 12, 12), (2, 6), (2, 6), (2, 6)), box((12, 12, 12), (5, 9), (2, 6), (2, 6))
    distances = surface_distances(first, second, (2.0, 1.0, 1.0))
    assert distances.hausdorff() == pytest.approx(6.0)
    assert distances.dice(6.0) == 1.0
    assert distances.dice(0.0) < 1.0


def test_one_voxel_has_a_surface():
    point = box((1, 5, 5), (0, 1), (2, 3), (2, 3))
    other = box((1, 5, 5), (0, 1), (2, 3), (4, 5))
    assert surface_distances(point, other, (1.0, 1.0, 3.0)).mean() == 6.0
    assert surface_distances(np.ones((1, 1), bool), np.ones((1, 1), bool), (1.0, 1.0)).hausdorff() == 0.0


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), tolerance=st.floats(0, 5))
def test_order_does_not_matter_and_equal_masks_touch(seed, tolerance):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 5, 6, 7)) < 0.2
    first[0, 0, 0] = second[-1, -1, -1] = True
    there, back = surface_distances(first, second, (1, 2, 3)), surface_distances(second, first, (1, 2, 3))
    assert there.hausdorff(95) == back.hausdorff(95)
    assert there.dice(tolerance) == back.dice(tolerance)
    assert there.mean() == pytest.approx(back.mean())
    same = surface_distances(first, first, (1, 2, 3))
    assert (same.hausdorff(), same.mean(), same.dice(0)) == (0, 0, 1)
