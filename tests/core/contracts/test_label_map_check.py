"""Label maps hold integers of the labels, in the right shape; values that a component got are not its fault."""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.contracts.attributed.label_map_check import check_label_map, unknown_values
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidPlugin

CLASSES = Labels({"background": (0,), "a": (1,), "b": (2,)}, ignore=3)
ORDERED = Labels({"background": (0,), "whole": (1, 2), "core": (2,)}, (1, 7))
SHAPE = (1, 2, 2)


def label_map(*values, dtype=np.uint8):
    return np.array(values, dtype).reshape(SHAPE)


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (label_map(0, 1, 2, 0), CLASSES),
        (label_map(0, 1, 2, 0, dtype=np.int64), CLASSES),
        (label_map(0, 1, 7, 7), ORDERED),
        (label_map(0, 1, 99, 7), None),
    ],
)
def test_a_sound_label_map_is_given_back(given, labels):
    assert check_label_map(object(), given, SHAPE, labels) is given


@pytest.mark.parametrize(
    ("given", "labels", "fault"),
    [
        ([[[0, 1], [1, 2]]], CLASSES, "gave list instead of numpy.ndarray"),
        (label_map(0, 1, 2, 0)[0], CLASSES, r"gave a label map of shape \(2, 2\); expected \(1, 2, 2\)"),
        (label_map(0, 1, 2, 0, dtype=np.float32), CLASSES, "gave a label map of float32; expected integers"),
        (label_map(0, 1, 2, 0, dtype=bool), CLASSES, "gave a label map of bool; expected integers"),
        (label_map(0, 1, 3, 0), CLASSES, r"gave label 3, which the labels lack \(they are 0, 1, 2\)"),
        (label_map(0, -1, 1, 0, dtype=np.int16), CLASSES, "gave label -1"),
        (label_map(0, 1, 5, 7), ORDERED, "gave label 5"),
    ],
)
def test_others_are_the_components_fault(given, labels, fault):
    with pytest.raises(InvalidPlugin, match=fault):
        check_label_map(object(), given, SHAPE, labels)


def test_a_value_that_the_component_got_is_tolerated_and_a_new_one_is_not():
    before = unknown_values(label_map(0, 1, 9, 1), CLASSES)
    assert before == {9}
    check_label_map(object(), label_map(0, 1, 9, 9), SHAPE, CLASSES, tolerated=before)
    with pytest.raises(InvalidPlugin, match="gave label 8"):
        check_label_map(object(), label_map(0, 8, 9, 9), SHAPE, CLASSES, tolerated=before)
