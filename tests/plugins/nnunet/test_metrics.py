"""`surface`: figures per class and region, empty maps, ignored voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidOptions
from nnplug.registry.options import build
from nnplug_nnunet.metrics import Surface

LABELS = Labels({"background": (0,), "whole": (1, 2), "core": (2,)}, (1, 2))
SPACING = (2.0, 1.0, 1.0)


def cube(value, start, shape=(12, 12, 12)):
    label = np.zeros(shape, np.uint8)
    label[start : start + 4, 2:6, 2:6] = value
    return label


def measure(reference, prediction, labels=LABELS, **options):
    return Surface(**options).measure(reference, prediction, labels, spacing=SPACING)


def test_distances_are_mm_per_region():
    figures = measure(cube(2, 2), cube(2, 5))
    assert figures["(1, 2)"] == figures["(2,)"]
    assert figures["(2,)"]["HD95"] == pytest.approx(6.0)
    assert 0 < figures["(2,)"]["ASSD"] < 6
    assert figures["(2,)"]["NSD"] < 1


def test_the_tolerance_decides_what_is_equal():
    assert measure(cube(1, 2), cube(1, 3), tolerance=2.0)["(1, 2)"]["NSD"] == 1
    assert measure(cube(1, 2), cube(1, 3), tolerance=1.9)["(1, 2)"]["NSD"] < 1


def test_what_only_one_map_holds_is_missing_and_what_none_holds_is_nothing():
    for reference, prediction in [(cube(1, 2), cube(0, 2)), (cube(0, 2), cube(1, 2))]:
        figures = measure(reference, prediction)
        assert figures["(1, 2)"] == {"HD95": math.inf, "ASSD": math.inf, "NSD": 0.0}
        assert all(math.isnan(value) for value in figures["(2,)"].values())
    assert measure(cube(1, 2), cube(0, 2), missing=373.13)["(1, 2)"]["HD95"] == 373.13


def test_ignored_voxels_do_not_count():
    labels = Labels({"background": (0,), "a": (1,)}, ignore=2)
    reference, prediction = cube(1, 2), cube(1, 2)
    reference[:, 8:], prediction[9:, 9:, 9:] = 2, 1
    assert measure(reference, prediction, labels)["1"] == {"HD95": 0, "ASSD": 0, "NSD": 1}


def test_distances_below_0_are_refused():
    with pytest.raises(InvalidOptions, match="tolerance is -1.0; expected mm, at least 0"):
        build(Surface, {"tolerance": -1}, what="metric 'surface'")
