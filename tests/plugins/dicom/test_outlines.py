"""Masks become polygons and the same masks again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnplug_dicom.outlines import filled, outlines


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 14), st.integers(1, 14), st.sampled_from([0.2, 0.5, 0.8]))
def test_a_mask_comes_back_from_its_outlines(seed, rows, columns, share):
    mask = np.random.default_rng(seed).random((rows, columns)) < share
    assert np.array_equal(filled(outlines(mask), mask.shape), mask)


def test_a_hole_is_part_of_the_polygon_around_it():
    mask = np.zeros((9, 10), bool)
    mask[1:8, 1:9] = True
    mask[3:5, 3:5] = mask[6, 6:8] = False
    mask[3, 3] = True
    (line, *rest) = outlines(mask)
    assert len(rest) <= 1
    assert np.array_equal(filled([line, *rest], mask.shape), mask)
    assert len(line) > 12


@pytest.mark.parametrize("mask", [np.zeros((3, 4), bool), np.zeros((0, 4), bool)])
def test_an_empty_mask_has_no_outline(mask):
    assert outlines(mask) == []


def test_a_polygon_is_filled_where_pixel_centres_are_inside():
    square = np.array([[0.5, 0.5], [3.4, 0.5], [3.4, 2.5], [0.5, 2.5]])
    assert np.array_equal(filled([square], (4, 5)), [[0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0] * 5])
    assert not filled([square + 100], (4, 5)).any()
