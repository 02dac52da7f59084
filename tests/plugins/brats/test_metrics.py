"""The challenge's definitions on constructed cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from nnplug.dataset.labels import Labels
from nnplug.ops.surface import surface_distances
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


def surface(mask):
    """Voxels with a face neighbour outside, found by comparing with every shifted copy."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return mask & ~inner


def hd95_by_distance_maps(reference, prediction, spacing):
    """The challenge's definition once more, by distance maps of the whole image instead of trees of the surface."""
    directed = []
    for first, second in ((reference, prediction), (prediction, reference)):
        away = ndimage.distance_transform_edt(~surface(second), sampling=spacing)
        directed.append(np.percentile(away[surface(first)], 95))
    return max(directed)


def hd_by_simpleitk(reference, prediction, spacing):
    """The largest surface distance: SimpleITK's, of contours in image geometry."""
    contours = []
    for mask in (reference, prediction):
        image = sitk.GetImageFromArray(surface(mask).astype(np.uint8))
        image.SetSpacing(spacing[::-1])
        contours.append(image)
    measure = sitk.HausdorffDistanceImageFilter()
    measure.Execute(*contours)
    return measure.GetHausdorffDistance()


def blobs(seed):
    """A brain-like pair: a smooth lesion with its core and centre, and a prediction that is off here and there."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(20, 28, 24)), 3)
    other = field + 0.4 * ndimage.gaussian_filter(rng.normal(size=field.shape), 2)
    steps = np.quantile(field, (0.7, 0.85, 0.95))
    return np.digitize(field, steps).astype(np.uint8), np.digitize(other, steps).astype(np.uint8)


@pytest.mark.parametrize("spacing", [ONE_MM, (3.0, 0.9, 1.1)])
@pytest.mark.parametrize("seed", range(3))
def test_every_figure_by_another_way(seed, spacing):
    reference, prediction = blobs(seed)
    for region, key in zip(LABELS.foreground, LABELS.keys, strict=True):
        figures = measure(reference, prediction, spacing=spacing)[key]
        r, p = np.isin(reference, region), np.isin(prediction, region)
        assert figures["HD95"] == pytest.approx(hd95_by_distance_maps(r, p, spacing), abs=1e-9)
        assert figures["HD95"] <= hd_by_simpleitk(r, p, spacing) + 1e-6
        overlap = sitk.LabelOverlapMeasuresImageFilter()
        overlap.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (r, p)))
        assert figures["Dice"] == pytest.approx(overlap.GetDiceCoefficient())
        assert figures["Sensitivity"] == pytest.approx((r & p).sum() / r.sum())
        assert figures["Specificity"] == pytest.approx((~r & ~p).sum() / (~r).sum())


def test_surface_distances_reach_as_far_as_simpleitk_says():
    reference, prediction = blobs(5)
    r, p = reference > 0, prediction > 0
    whole = surface_distances(p, r, (3.0, 0.9, 1.1)).hausdorff()
    assert whole == pytest.approx(hd_by_simpleitk(r, p, (3.0, 0.9, 1.1)), rel=1e-6)


def line(*voxels):
    label = np.zeros((1, 1, 60), np.uint8)
    label[0, 0, list(voxels)] = 3
    return label


def test_hd95_by_hand():
    """Of a line only the ends are surface: voxels 0 and 20 lie 0 and 40 mm off, and 95 % between them is 38 mm."""
    figures = measure(line(0), line(*range(21)), spacing=(1.0, 1.0, 2.0))["(3,)"]
    assert figures["HD95"] == pytest.approx(38.0)
    assert figures["Dice"] == pytest.approx(2 / 22)
    assert figures["Sensitivity"] == 1.0
    assert figures["Specificity"] == pytest.approx(39 / 59)


def test_a_lone_voxel_far_away_is_within_the_five_percent():
    """Of a cube of 10 voxels 488 are surface: one more at 12 mm is 0.2 % of them."""
    reference = np.zeros((30, 30, 30), np.uint8)
    reference[2:12, 2:12, 2:12] = 3
    prediction = reference.copy()
    prediction[23, 5, 5] = 3
    assert measure(reference, prediction)["(3,)"]["HD95"] == 0.0
    assert surface_distances(prediction > 0, reference > 0, ONE_MM).hausdorff() == 12.0


def test_one_voxel_too_many_costs_everything_where_the_reference_has_none():
    empty, point = np.zeros((8, 8, 8), np.uint8), np.zeros((8, 8, 8), np.uint8)
    point[4, 4, 4] = 3
    for figures in measure(empty, point).values():
        assert (figures["Dice"], round(figures["HD95"], 2)) == (0.0, 373.13)
        assert math.isnan(figures["Sensitivity"])
        assert figures["Specificity"] == pytest.approx(511 / 512)
    for figures in measure(point, empty).values():
        assert (figures["Dice"], round(figures["HD95"], 2)) == (0.0, 373.13)
        assert (figures["Sensitivity"], figures["Specificity"]) == (0.0, 1.0)
    for figures in measure(empty, empty).values():
        assert (figures["Dice"], figures["HD95"], figures["Specificity"]) == (1.0, 0.0, 1.0)
