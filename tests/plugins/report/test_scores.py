"""Scores per class with intervals, volumes in ml, and the worst, median and best case."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from nnplug.io.images import Geometry, write_label
from nnplug.io.readers import core_readers
from nnplug_report.scores import case_means, class_scores, dice_scores, landmarks, measure_extents, order_of
from nnplug_report.subject import Case, LabelClass, Result

CLASSES = (LabelClass("1", "liver", (1,)), LabelClass("2", "tumour", (2,)))


def result(cases):
    return Result("r", tuple(cases), CLASSES, (), core_readers(), "")


@pytest.fixture
def write(tmp_path):
    def write(name, voxels, *, spacing=(2.0, 5.0, 5.0)):
        place = Geometry((1, 1, 10), spacing, spacing[::-1], (0.0,) * 3, (1, 0, 0, 0, 1, 0, 0, 0, 1))
        array = np.zeros((1, 1, 10), np.int16)
        array[..., :voxels] = 1
        write_label(tmp_path / f"{name}.nii.gz", array, place)
        return tmp_path / f"{name}.nii.gz"

    return write


def figures(dice, predicted=0, reference=0):
    return {"Dice": dice, "n_pred": predicted, "n_ref": reference}


def test_volumes_come_from_the_summary_or_from_the_label_map(write):
    path = write("a", 4)
    scored = Case("a", path, path, (), {"1": figures(0.5, 10, 20), "2": figures(math.nan)})
    extents = measure_extents(result([scored, Case("b", path)]))
    assert extents.unit == "ml"
    assert [(one.predicted, one.reference) for one in extents.values[0]] == [(0.5, 1.0), (0.0, 0.0)]
    assert extents.values[1][0].predicted == pytest.approx(0.2)
    assert math.isnan(extents.values[1][0].reference)


def test_a_class_of_no_case_has_no_score_and_others_have_an_interval(write):
    path = write("a", 4)
    values = (0.2, 0.4, 0.9, None)
    cases = [
        Case(str(i), path, path, (), {"1": figures(value, 1, 1), "2": figures(None)}) for i, value in enumerate(values)
    ]
    found = result(cases)
    dice = dice_scores(found)
    liver, tumour = class_scores(found, dice, measure_extents(found))
    assert (liver.dice.count, liver.dice.median, tumour.dice.count, tumour.absent) == (3, 0.4, 0, 4)
    assert liver.dice.mean == pytest.approx(0.5)
    assert 0.2 <= liver.interval[0] < 0.5 < liver.interval[1] <= 0.9
    assert math.isnan(tumour.interval[0])
    means = case_means(dice)
    assert order_of(means) == (0, 1, 2, 3)
    assert landmarks(means) == {0: "worst", 1: "median", 2: "best"}


@pytest.mark.parametrize(
    ("means", "expected"),
    [([], {}), ([math.nan], {}), ([0.5], {0: "only scored case"}), ([0.9, 0.1], {1: "worst", 0: "best"})],
)
def test_few_cases(means, expected):
    assert landmarks(np.array(means, np.float64)) == expected


def test_pictures_have_pixels(tmp_path):
    place = Geometry((1, 2, 2), (999, 1, 1), (1.0, 1.0), (0.0, 0.0), (1, 0, 0, 1))
    write_label(tmp_path / "a.png", np.array([[[0, 1], [1, 1]]], np.int16), place)
    extents = measure_extents(result([Case("a", Path(tmp_path / "a.png"))]))
    assert (extents.unit, extents.values[0][0].predicted) == ("pixels", 3)
