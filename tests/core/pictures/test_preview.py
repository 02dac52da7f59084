"""A preview has the image, the labels in the colours of reports, lengths in proportion and a legend."""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.dataset.labels import Labels
from nnplug.pictures.colours import label_colour
from nnplug.pictures.preview import LONGEST, draw_preview, legend_of, pixels_per_mm
from nnplug.pictures.views import View

CLASSES = Labels.from_data({"background": 0, "liver": 1, "spleen": 2}, None, "test")
REGIONS = Labels.from_data({"background": 0, "whole": [1, 2], "core": 2}, [1, 2], "test")


def view(name="axial", shape=(20, 40), spacing=(5.0, 1.0), label=1):
    """A slice that is white but for its first row, with a label in its lower left quarter."""
    plane, labels = np.full(shape, 100.0), np.zeros(shape, np.int16)
    plane[0] = 0
    labels[shape[0] // 2 :, : shape[1] // 2] = label
    return View(name, 3, 9, plane, labels, spacing)


def areas(picture, colour):
    """The rows and columns of the pixels of a colour, as (number of rows, number of columns)."""
    found = np.argwhere((picture == np.array(colour)).all(axis=-1))
    return tuple(np.ptp(found, axis=0) + 1)


def over_white(value):
    return np.round(0.5 * np.array(label_colour(value)) + 0.5 * 255).astype(int)


def test_labels_are_drawn_in_the_colours_of_reports_and_lengths_are_in_proportion():
    one = view()  # 100 mm high, 40 mm wide
    picture = draw_preview([one], CLASSES, title="case_01")
    found = np.argwhere((np.abs(picture.astype(int) - over_white(1)) <= 1).all(axis=-1))
    rows, columns = np.ptp(found, axis=0) + 1
    assert (rows, columns) == (LONGEST // 2, LONGEST * 40 // 100 // 2)
    assert areas(picture, label_colour(1)) == (12, 12)  # the legend


def test_the_image_is_there_with_and_without_labels():
    picture = draw_preview([view()], CLASSES, title="")
    rows = np.flatnonzero((picture == 255).all(axis=-1).sum(axis=1) >= LONGEST * 40 // 100 // 2)
    gaps = np.flatnonzero(np.diff(rows) > 1)
    assert len(gaps) == 1  # one band above, one below
    assert rows[gaps[0]] - rows[0] + 1 == LONGEST * 19 // 20


def test_all_slices_have_one_scale():
    views = [view(), view("coronal", (10, 40), (2.0, 1.0))]
    assert pixels_per_mm(views) == LONGEST / 100
    narrow, wide = (draw_preview(some, CLASSES, title="") for some in (views[:1], views))
    assert wide.shape[0] == narrow.shape[0]
    assert wide.shape[1] > narrow.shape[1] + LONGEST * 40 // 100


def test_the_legend_names_what_is_shown_and_a_region_has_all_its_colours():
    assert legend_of([view()], CLASSES) == (("liver", (label_colour(1),)),)
    assert legend_of([view(label=2)], REGIONS) == (
        ("whole", (label_colour(1), label_colour(2))),
        ("core", (label_colour(2),)),
    )
    assert legend_of([view(label=0)], CLASSES) == (("no class is in this label map", ()),)


def test_of_many_classes_the_legend_names_forty():
    many = Labels.from_data({"background": 0, **{f"organ {k}": k for k in range(1, 60)}}, None, "test")
    one = View("axial", 1, 1, np.zeros((8, 8)), np.arange(64).reshape(8, 8) % 60, (1.0, 1.0))
    legend = legend_of([one], many)
    assert (len(legend), legend[-1]) == (41, ("and 19 more", ()))
    tall = draw_preview([one], many, title="")
    assert tall.shape[0] > draw_preview([one], CLASSES, title="").shape[0]


@pytest.mark.parametrize("shape", [(1, 300), (1, 1), (2000, 3)])
def test_slices_of_any_proportion_are_drawn(shape):
    picture = draw_preview([view(shape=shape, spacing=(1.0, 1.0))], CLASSES, title="Größe, ж")
    assert picture.dtype == np.uint8
    assert max(picture.shape) < 2 * LONGEST + 200
