"""Single slices along any axis are brought to one order, and label maps go back to the order of the file."""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.io.images import Geometry, Image, LabelMap, read_label, write_label
from nnplug.io.thin_axis import thin_axis, turned_geometry, turned_image, turned_label

IDENTITY = tuple(np.eye(3).ravel().tolist())
PICTURE = np.arange(30).reshape(5, 6)


def geometry(axis: int) -> Geometry:
    shape, spacing = [5, 6], [0.5, 0.7]
    shape.insert(axis, 1)
    spacing.insert(axis, 4.0)
    return Geometry(tuple(shape), tuple(spacing), tuple(spacing[::-1]), (1.0, 2.0, 3.0), IDENTITY)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_is_turned_and_its_label_map_goes_back(axis, tmp_path):
    where = geometry(axis)
    image = turned_image(Image(np.expand_dims(PICTURE, axis)[None].astype(np.float32), where))
    label = turned_label(LabelMap(np.expand_dims(PICTURE, axis).astype(np.int16), where))
    assert np.array_equal(image.array[0, 0], PICTURE)
    assert np.array_equal(label.array[0], PICTURE)
    assert image.geometry.shape == (1, 5, 6)
    assert image.geometry.spacing == (4.0, 0.5, 0.7)
    assert turned_geometry(image.geometry) is image.geometry

    write_label(tmp_path / "label.nii.gz", PICTURE[None], image.geometry)
    written = read_label(tmp_path / "label.nii.gz")
    assert np.array_equal(written.array, np.expand_dims(PICTURE, axis))
    assert written.geometry.spacing == pytest.approx(where.spacing)


def test_only_one_thin_axis_is_turned():
    assert [thin_axis(shape) for shape in ((3, 4, 5), (1, 4, 5), (3, 4, 1), (1, 1, 5))] == [None, 0, 2, None]
    line = Geometry((1, 1, 5), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    assert turned_geometry(line) is line
