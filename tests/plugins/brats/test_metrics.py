"""The challenge's definitions on constructed cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnplug.data.labels import Labels
from nnplug_brats.metrics import MISSING, BratsMetric

LABELS = Labels({"background": (0,), "whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}, (1, 2, 3))
ONE_MM = (1.0, 1.0, 1.0)


def tumour(edema=True, core=True, enhancing=True, at=4):
    label = np.zeros((24, 24, 24), np.uint8)
    for value, size, there in ((1, 10, edema), (2, 6, core), (3, 3, enhancing)):
        if there:
            label[at : at + size, 4 : 4 + size, 4 : 4 + size] = value
    return label


def measure(reference, prediction, labels=LABELS, spacing=ONE_MM):
    return BratsMetric().measure(reference, prediction, labels, spacing=spacing)


def test_the_penalty_is_the_diagonal_of_the_challenges_images():
    assert pytest.approx(math.dist((0, 0, 0), (240, 240, 155)), abs=1e-4) == MISSING


def test_a_perfect_prediction():
    for figures in measure(tumour(), tumour()).values():
        assert figures == {"Dice": 1.0, "HD95": 0.0, "Sensitivity": 1.0, "Specificity": 1.0}


def test_a_region_that_neither_holds_is_perfect():
    figures = measure(tumour(enhancing=False), tumour(enhancing=False))["(3,)"]
    assert (figures["Dice"], figures["HD95"], figures["Specificity"]) == (1.0, 0.0, 1.0)
    assert math.isnan(figures["Sensitivity"])


@pytest.mark.parametrize("missed", [True, False])
def test_a_region_that_only_one_holds_costs_everything(missed):
    maps = [tumour(), tumour(enhancing=False)]
    reference, prediction = maps if missed else maps[::-1]
    figures = measure(reference, prediction)["(3,)"]
    assert (figures["Dice"], figures["HD95"]) == (0.0, 373.12866)
    assert figures["Sensitivity"] == 0 if missed else math.isnan(figures["Sensitivity"])
    assert (figures["Specificity"] == 1) is missed


def test_counts_and_distances_of_a_shift():
    figures = measure(tumour(), tumour(at=6), spacing=(1.5, 1.0, 1.0))["(1, 2, 3)"]
    assert figures["Dice"] == pytest.approx(0.8)
    assert figures["HD95"] == pytest.approx(3.0)
    assert figures["Sensitivity"] == pytest.approx(0.8)
    assert figures["Specificity"] == pytest.approx(1 - 200 / (24**3 - 1000))


def test_regions_are_those_of_the_dataset():
    original = Labels({"background": (0,), "whole": (1, 2, 3), "core": (1, 3)}, (2, 1))
    assert set(measure(tumour(), tumour(), original)) == {"(1, 2, 3)", "(1, 3)"}
