"""A slice in gray and its labels in colours."""

from __future__ import annotations

import numpy as np

from nnplug.pictures.colours import label_colour
from nnplug.pictures.drawing import draw_slice, shown_slice

HOW = {"percentiles": (0, 100), "opacity": 0.5}


def test_the_slice_with_most_foreground_is_shown():
    label = np.zeros((3, 4, 4), np.uint8)
    label[1, 0, 0], label[2, :2] = 1, 3
    assert shown_slice(label) == 2


def test_labels_are_blended_over_the_gray_and_background_is_not():
    plane, label = np.array([[0, 50], [100, 100]]), np.array([[0, 1], [2, 0]])
    assert draw_slice(plane, None, **HOW).tolist() == [[[0] * 3, [128] * 3], [[255] * 3, [255] * 3]]
    drawn = draw_slice(plane, label, **HOW)
    assert drawn.dtype == np.uint8
    np.testing.assert_allclose(drawn, [[[0, 0, 0], over(1, 127.5)], [over(2, 255), [255, 255, 255]]], atol=0.51)


def over(label, gray):
    return [(part + gray) / 2 for part in label_colour(label)]


def test_an_image_of_one_value_is_drawn_black():
    assert not draw_slice(np.full((2, 2), 7.0), None, **HOW).any()
