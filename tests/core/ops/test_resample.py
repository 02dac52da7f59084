"""Resampling: nnunetv2's figures, scipy's operators, and what must hold for any image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nnplug.ops.resample import nearest, resample_image, resample_label, resampled_shape, separated_axis

GOLDEN = np.load(Path(__file__).parent / "golden" / "resample.npz")
NAMES = sorted(key.removesuffix("-spacing") for key in GOLDEN.files if key.endswith("-spacing"))

shapes = st.tuples(*[st.integers(1, 12)] * 3)
orders = st.sampled_from([0, 1, 3])
axes = st.sampled_from([None, 0, 1, 2])


@pytest.mark.parametrize("name", NAMES)
def test_images_equal_nnunet(name):
    expected = GOLDEN[f"{name}-new-image"]
    axis = separated_axis(*GOLDEN[f"{name}-spacing"].tolist())
    result = resample_image(GOLDEN[f"{name}-image"], expected.shape[1:], axis=axis)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-6 * np.ptp(expected))


@pytest.mark.parametrize("name", NAMES)
def test_label_maps_equal_nnunet(name):
    expected = GOLDEN[f"{name}-new-label"]
    axis = separated_axis(*GOLDEN[f"{name}-spacing"].tolist())
    result = resample_label(GOLDEN[f"{name}-label"].astype(np.int16), expected.shape, axis=axis)
    assert result.dtype == np.int16
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("spacing", "new_spacing", "force", "axis"),
    [
        ((1, 1, 1), (1, 1, 1), None, None),
        ((3, 1, 1), (1, 1, 1), None, None),
        ((3.01, 1, 1), (1, 1, 1), None, 0),
        ((1, 1, 1), (1, 1, 4), None, 2),
        ((1, 5, 1), (4, 1, 1), None, 1),
        ((5, 5, 1), (1, 1, 1), None, None),
        ((5, 5, 1), (4, 1, 1), None, None),
        ((5, 1, 1), (5, 1, 1), False, None),
        ((2, 1, 1), (1, 1, 1), True, 0),
        ((1, 1, 1), (1, 1, 1), True, None),
    ],
)
def test_the_axis_to_separate(spacing, new_spacing, force, axis):
    assert separated_axis(spacing, new_spacing, force=force) == axis


def test_shapes_round_and_keep_a_voxel():
    assert resampled_shape((10, 11, 1), (1.0, 1.0, 1.0), (1.5, 2.0, 4.0)) == (7, 6, 1)


def test_nearest_rounds_halves_up():
    assert nearest(4, 2).tolist() == [1, 3]
    assert nearest(2, 4).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("old", "new"), [(200, 301), (301, 200), (130, 65)])
def test_bands_of_long_axes_equal_the_whole_operator(old, new):
    operator = ndimage.zoom(np.eye(old), (new / old, 1), order=3, mode="nearest", grid_mode=True)
    image = np.random.default_rng(0).random((1, old, 1, 3), np.float32)
    expected = np.einsum("nm,cmyx->cnyx", operator, image).clip(image.min(), image.max())
    np.testing.assert_allclose(resample_image(image, (new, 1, 3)), expected, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(shapes, shapes, orders, axes, st.integers(0, 2**16))
def test_images_stay_in_range_and_arguments_as_they_are(shape, new_shape, order, axis, seed):
    image = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
    before = image.copy()
    result = resample_image(image, new_shape, order=order, axis=axis)
    assert result.shape == (2, *new_shape)
    assert not np.shares_memory(result, image)
    np.testing.assert_array_equal(image, before)
    for old, new in zip(image, result, strict=True):
        assert old.min() <= new.min()
        assert new.max() <= old.max()


@settings(max_examples=60, deadline=None)
@given(shapes, shapes, orders, axes, st.integers(0, 2**16))
def test_label_maps_hold_no_new_value(shape, new_shape, order, axis, seed):
    label = np.random.default_rng(seed).integers(-1, 4, shape, np.int16)
    before = label.copy()
    result = resample_label(label, new_shape, order=order, axis=axis)
    assert result.shape == new_shape
    assert result.dtype == label.dtype
    assert not np.shares_memory(result, label)
    assert set(np.unique(result)) <= set(np.unique(label))
    np.testing.assert_array_equal(label, before)


@settings(max_examples=30, deadline=None)
@given(shapes, axes, st.floats(-1e3, 1e3, width=32))
def test_a_constant_image_stays_constant(new_shape, axis, value):
    result = resample_image(np.full((1, 5, 4, 3), value, np.float32), new_shape, axis=axis)
    assert np.all(result == np.float32(value))


def test_a_permuted_image_gives_the_permuted_result():
    image = np.random.default_rng(3).normal(size=(1, 9, 7, 5)).astype(np.float32)
    straight = resample_image(image, (6, 8, 10), axis=1)
    turned = resample_image(image.transpose(0, 3, 1, 2), (10, 6, 8), axis=2)
    np.testing.assert_allclose(turned.transpose(0, 2, 3, 1), straight, atol=1e-5)


def test_an_exact_tie_goes_to_the_nearest_voxel():
    pair = np.array([2, 1], np.int16).reshape(2, 1, 1)
    assert resample_label(pair, (1, 1, 1)).item() == 1  # halves go up: the second voxel is the nearest
    assert resample_label(pair[::-1], (1, 1, 1)).item() == 2


def test_a_tie_without_the_nearest_voxel_goes_to_the_lowest():
    corners = np.array([[[3, 1], [1, 3]], [[3, 1], [3, 0]]], np.int16)  # 3 of four; the nearest is 0
    assert resample_label(corners, (1, 1, 1)).item() == 3
    corners[0, 0, 0] = 1  # now three of each
    assert resample_label(corners, (1, 1, 1)).item() == 1


@pytest.mark.parametrize("shape", [(40, 33, 50), (70, 20, 61), (11, 33, 25)])
def test_large_volumes_are_resampled_in_slabs_with_the_same_numbers(shape, monkeypatch):
    volume = np.random.default_rng(0).normal(size=(1, 90, 33, 50)).astype(np.float32)
    whole = resample_image(volume, shape)
    monkeypatch.setattr("nnplug.ops.resample.LARGE", 0)
    np.testing.assert_allclose(resample_image(volume, shape), whole, atol=2e-6)
