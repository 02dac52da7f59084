"""Logits to labels: held against nnunetv2's resampling and against the plain, unstreamed definition."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnplug.ops.export import decode, label_map, probabilities, resampled_slices, restore
from nnplug.ops.resample import separated_axis

GOLDEN = np.load(Path(__file__).parent / "golden" / "export.npz")
CASES = [name for name in GOLDEN.files if "-shape" not in name and "-spacing" not in name]


def golden(name):
    (shape, new_shape), (spacing, new_spacing) = GOLDEN[f"{name}-shape"], GOLDEN[f"{name}-spacing"]
    logits = np.random.default_rng(7).normal(0, 3, (3, *shape)).astype(np.float32)
    new = tuple(int(n) for n in new_shape)
    return torch.from_numpy(logits), new, separated_axis(spacing, new_spacing), GOLDEN[name]


def resampled(logits, shape, axis):
    return torch.stack([plane.clone() for plane in resampled_slices(logits, shape, axis)], 1)


@pytest.mark.parametrize("name", CASES)
def test_resampling_equals_nnunet(name):
    logits, shape, axis, expected = golden(name)
    np.testing.assert_allclose(resampled(logits, shape, axis), expected, atol=3e-5)


@pytest.mark.parametrize("name", CASES)
def test_labels_are_those_of_nnunets_logits(name):
    logits, shape, axis, expected = golden(name)
    assert np.array_equal(label_map(logits, shape, axis=axis), expected.argmax(0))
    painted = np.zeros(shape)
    for value, region in zip((2, 1, 3), expected, strict=True):
        painted[region > 0] = value
    assert np.array_equal(label_map(logits, shape, axis=axis, regions_class_order=(2, 1, 3)), painted)


@pytest.mark.parametrize("name", ["isotropic", "thick-second"])
def test_probabilities_are_softmax_or_sigmoid_of_nnunets_logits(name):
    logits, shape, axis, expected = golden(name)
    softmax = np.stack(list(probabilities(logits, shape, axis=axis)))
    np.testing.assert_allclose(softmax, torch.softmax(torch.from_numpy(expected), 0), atol=1e-5)
    sigmoid = np.stack(list(probabilities(logits, shape, axis=axis, regions=True)))
    np.testing.assert_allclose(sigmoid, torch.sigmoid(torch.from_numpy(expected)), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    old=st.tuples(*[st.integers(1, 9)] * 3),
    new=st.tuples(*[st.integers(1, 15)] * 3),
    axis=st.sampled_from([None, 0, 1, 2]),
    seed=st.integers(0, 99),
)
def test_resampled_values_stay_in_the_range_and_constants_stay_themselves(old, new, axis, seed):
    logits = torch.randn(2, *old, generator=torch.Generator().manual_seed(seed))
    logits[1] = 4.25
    result = resampled(logits, new, axis)
    assert result.shape == (2, *new)
    assert logits[0].min() - 1e-5 <= result[0].min()
    assert result[0].max() <= logits[0].max() + 1e-5
    torch.testing.assert_close(result[1], torch.full(new, 4.25))


@given(st.integers(1, 5), st.integers(0, 99))
def test_the_first_of_equal_classes_wins(levels, seed):
    logits = np.random.default_rng(seed).integers(0, levels, (6, 4, 5)).astype(np.float32)
    assert np.array_equal(decode(torch.from_numpy(logits)), logits.argmax(0))


def test_more_than_255_classes_fit():
    logits = torch.randn(300, 4, 5)
    labels = decode(logits)
    assert labels.dtype == torch.int16
    assert torch.equal(labels.long(), logits.argmax(0))
    assert decode(torch.ones(1, 3), (300,)).tolist() == [300] * 3


def test_restoring_undoes_crop_and_transposition():
    original = np.random.default_rng(0).integers(0, 9, (4, 5, 6)).astype(np.uint8)
    transpose, box = (1, 2, 0), ((1, 4), (0, 5), (2, 3))
    transposed = original.transpose(transpose)
    inside = tuple(slice(*side) for side in box)
    whole = restore(transposed[inside], transposed.shape, bounding_box=box, transpose=transpose, fill=9)
    assert whole.shape == original.shape
    assert whole.dtype == np.uint8
    assert np.array_equal(whole.transpose(transpose)[inside], transposed[inside])
    assert (whole == 9).sum() == original.size - 3 * 5 * 1


def test_exporting_holds_a_few_slices_and_not_all_classes():
    logits, shape = torch.randn(40, 12, 12, 12), (48, 48, 48)
    planes = [plane.data_ptr() for plane in resampled_slices(logits, shape, None)]
    assert len(set(planes)) <= 4, "two slices of the input, their blend, and one that is being made"
    tracemalloc.start()
    label_map(logits, shape)
    numpy_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert numpy_peak < 3 * 48**3, "numpy holds the label map alone"
