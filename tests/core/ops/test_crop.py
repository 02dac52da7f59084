"""The nonzero region: equal to filling holes in 3D, whatever the image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_fill_holes

from nnplug.ops.crop import bounding_box, moved_to_start, nonzero_mask, slices

shapes = st.tuples(st.integers(1, 2), *[st.integers(1, 7)] * 3)
images = shapes.flatmap(lambda shape: arrays(np.int8, shape, elements=st.sampled_from([0, 0, 1, -1])))


@settings(deadline=None)
@given(images)
def test_the_mask_is_the_union_of_channels_with_holes_filled(image):
    np.testing.assert_array_equal(nonzero_mask(image), binary_fill_holes((image != 0).any(axis=0)))


def test_a_hollow_ball_is_filled():
    z, y, x = np.ogrid[-9:10, -9:10, -9:10]
    distance = z**2 + y**2 + x**2
    shell = ((distance > 16) & (distance < 49)).astype(np.float32)[None]
    np.testing.assert_array_equal(nonzero_mask(shell), distance < 49)


def test_a_ring_in_a_single_slice_encloses_nothing():
    ring = np.ones((1, 1, 5, 5))
    ring[..., 2, 2] = 0
    assert not nonzero_mask(ring)[0, 2, 2]


@given(images)
def test_the_box_holds_every_voxel_and_no_margin(image):
    mask = image[0] != 0
    box = bounding_box(mask)
    inside = mask[slices(box)]
    assert inside.sum() == mask.sum()
    if mask.any():
        for axis in range(3):
            assert inside.take(0, axis).any()
            assert inside.take(-1, axis).any()


def test_the_box_of_nothing_is_everything():
    assert bounding_box(np.zeros((2, 3, 4), np.bool_)) == ((0, 2), (0, 3), (0, 4))


@pytest.mark.parametrize("slab", [1, 40, 90, 250])
@pytest.mark.parametrize("share", [0.2, 0.35, 0.5, 0.8])
def test_slabs_find_the_holes_of_the_whole(slab, share):
    """Tunnels that leave a slab and come back are open if one of their ends is."""
    for seed in range(15):
        image = (np.random.default_rng(seed).random((1, 9, 6, 7)) < share).astype(np.float32)
        expected = binary_fill_holes(image[0])
        assert np.array_equal(nonzero_mask(image, slab=slab), expected)
        assert np.array_equal(nonzero_mask(image), expected)


@pytest.mark.parametrize("box", [((0, 4), (0, 5), (0, 6)), ((1, 3), (2, 5), (0, 4)), ((3, 4), (4, 5), (5, 6))])
def test_a_box_moves_to_the_start_of_its_memory(box):
    image = np.arange(240, dtype=np.float32).reshape(2, 4, 5, 6)
    expected = image[:, *slices(box)].copy()
    moved = moved_to_start(image, box)
    assert np.array_equal(moved, expected)
    assert np.shares_memory(moved, image)
    assert all(channel.flags.c_contiguous for channel in moved)
