"""Volumes are cropped and shrunk to the room of a page, and stay where they were."""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.io.geometry import Geometry
from nnplug_report.shrinking import reduction, world_of

CUBE = Geometry((8, 8, 8), (2.0, 1.0, 1.0), (1.0, 1.0, 2.0), (10.0, 20.0, 30.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_what_fits_is_shown_whole():
    kept = reduction((8, 8, 8), CUBE.spacing, np.ones((8, 8, 8), bool), voxels=512)
    assert (kept.factors, kept.words) == ((1, 1, 1), "")
    array = np.random.default_rng(0).random((8, 8, 8), np.float32)
    np.testing.assert_array_equal(kept.image(array), array)


def test_fine_axes_are_shrunk_before_thick_slices_and_blocks_become_their_mean():
    kept = reduction((8, 8, 8), CUBE.spacing, None, voxels=200)
    assert kept.factors == (1, 2, 2)
    array = np.random.default_rng(0).random((8, 8, 8), np.float32)
    np.testing.assert_allclose(kept.image(array), array.reshape(8, 4, 2, 4, 2).mean((2, 4)), rtol=1e-6)
    assert kept.words == "Shown: blocks of 2 x 2 x 1 voxels (x, y, z) as one."
    affine = kept.affine(CUBE)
    np.testing.assert_allclose(affine[:3, 3], [-10.5, -20.5, 30])  # the centre of the first block
    np.testing.assert_allclose(np.abs(np.diag(affine))[:3], [2, 2, 2])


def test_large_images_are_cropped_around_the_labels():
    foreground = np.zeros((100, 100, 100), bool)
    foreground[50:54, 60:80, 5:7] = True
    kept = reduction((100, 100, 100), (1, 1, 1), foreground, voxels=20_000)
    assert kept.box == (slice(42, 62), slice(50, 90), slice(0, 15))
    assert kept.words.startswith("Shown: the part around the labels")
    label = kept.label(foreground.astype(np.int16))
    assert label.sum() == foreground.sum()


@pytest.mark.parametrize("size", [1, 2, 5, 7])
def test_label_maps_and_images_have_one_grid(size):
    kept = reduction((1, 9, 9), (1, 1, 1), None, voxels=size)
    assert kept.label(np.zeros((1, 9, 9), np.int16)).shape == kept.image(np.zeros((1, 9, 9), np.float32)).shape
    assert kept.label(np.zeros((1, 9, 9), np.int16)).size <= size


def test_rows_of_pictures_go_down_and_columns_to_the_right():
    picture = Geometry((1, 4, 4), (999, 1, 1), (1.0, 1.0), (0.0, 0.0), (1, 0, 0, 1))
    np.testing.assert_array_equal(np.diag(world_of(picture)), [-1, -1, 1, 1])
