"""A slice in gray and its labels in colours."""

from __future__ import annotations

import numpy as np

from nnplug.evaluation.drawing import draw_slice, shown_slice

HOW = {"percentiles": (0, 100), "opacity": 0.5, "colour": {1: (1.0, 0.0, 0.0), 2: (0.0, 0.0, 1.0)}.__getitem__}


def test_the_slice_with_most_foreground_is_shown():
    label = np.zeros((3, 4, 4), np.uint8)
    label[1, 0, 0], label[2, :2] = 1, 3
    assert shown_slice(label) == 2


def test_labels_are_blended_over_the_gray_and_background_is_not():
    plane, label = np.array([[0, 50], [100, 100]]), np.array([[0, 1], [2, 0]])
    assert draw_slice(plane, None, **HOW).tolist() == [[[0] * 3, [128] * 3], [[255] * 3, [255] * 3]]
    drawn = draw_slice(plane, label, **HOW)
    assert drawn.dtype == np.uint8
    assert drawn.tolist() == [[[0, 0, 0], [191, 64, 64]], [[128, 128, 255], [255, 255, 255]]]


def test_an_image_of_one_value_is_drawn_black():
    assert not draw_slice(np.full((2, 2), 7.0), None, **HOW).any()
