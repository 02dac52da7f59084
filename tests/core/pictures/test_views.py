"""Slices are shown as radiology shows them, however the file stores its voxels."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from nnplug.io.geometry import Geometry, LabelMap
from nnplug.pictures.views import views_of

SHAPE = (4, 5, 6)
"""From feet to head, from front to back, from right to left: the order of ITK's axes."""
SPACING = (3.0, 2.0, 1.0)


def body():
    """An image whose values name the place, and a label in the head, in front, on the right."""
    image = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    label = np.zeros(SHAPE, np.int16)
    label[3, 0:2, 0:3] = 1
    label[2, 0, 0] = 1
    return image, label


def stored(order, flips):
    """The body as a file stores it whose axes (z, y, x) are axes `order` of the body, some reversed."""
    cosines = np.zeros((3, 3))
    for axis, (own, flip) in enumerate(zip(order, flips, strict=True)):
        cosines[2 - own, 2 - axis] = -1 if flip else 1
    flipped = [axis for axis in range(3) if flips[axis]]
    image, label = (np.flip(array.transpose(order), flipped) for array in body())
    spacing = tuple(SPACING[own] for own in order)
    place = Geometry(image.shape, spacing, spacing[::-1], (0.0,) * 3, tuple(cosines.ravel().tolist()))
    return image, LabelMap(label, place)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("flips", list(product((False, True), repeat=3)))
def test_head_and_front_are_up_and_the_right_side_is_on_the_left(order, flips):
    image, label = body()
    axial, coronal, sagittal = views_of(*stored(order, flips))
    assert [view.name for view in (axial, coronal, sagittal)] == ["axial", "coronal", "sagittal"]
    assert np.array_equal(axial.plane, image[3])
    assert np.array_equal(axial.label, label[3])
    assert np.array_equal(coronal.plane, image[::-1, 0])
    assert np.array_equal(sagittal.plane, image[::-1, :, 0])
    assert [view.spacing for view in (axial, coronal, sagittal)] == [(2.0, 1.0), (3.0, 1.0), (3.0, 2.0)]
    flipped = dict(zip(order, flips, strict=True))
    numbers = [(1 if flipped[0] else 4, 4), (5 if flipped[1] else 1, 5), (6 if flipped[2] else 1, 6)]
    assert [(view.number, view.count) for view in (axial, coronal, sagittal)] == numbers


def test_an_oblique_volume_is_shown_by_its_nearest_axes():
    image, labels = stored((0, 1, 2), (False,) * 3)
    cosine, sine = np.cos(0.4), np.sin(0.4)
    turned = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    place = Geometry(SHAPE, SPACING, SPACING[::-1], (0.0,) * 3, tuple(turned.ravel().tolist()))
    assert np.array_equal(views_of(image, LabelMap(labels.array, place))[0].plane, image[3])


def test_without_labels_the_middle_slices_are_shown():
    image, labels = stored((0, 1, 2), (False,) * 3)
    views = views_of(image, LabelMap(np.zeros_like(labels.array), labels.geometry))
    assert np.array_equal(views[0].plane, image[1])  # of 4, counted from the head
    assert [view.number for view in views] == [2, 3, 4]


def test_a_single_slice_has_one_view():
    image, labels = stored((0, 1, 2), (False,) * 3)
    place = Geometry((4, 1, 6), SPACING, SPACING[::-1], (0.0,) * 3, labels.geometry.direction)
    (view,) = views_of(image[:, :1], LabelMap(labels.array[:, :1], place))
    assert (view.name, view.count, view.plane.shape) == ("coronal", 1, (4, 6))


def test_a_picture_is_shown_as_it_is_stored():
    image = np.arange(12).reshape(1, 3, 4)
    place = Geometry((1, 3, 4), (999 * 2.0, 0.5, 2.0), (2.0, 0.5), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    (view,) = views_of(image, LabelMap(np.zeros((1, 3, 4), np.int16), place))
    assert np.array_equal(view.plane, image[0])
    assert (view.name, view.spacing) == ("slice", (0.5, 2.0))
