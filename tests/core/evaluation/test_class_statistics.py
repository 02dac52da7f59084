"""Volumes in mm3 and intensities of classes and regions, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnplug.dataset.labels import Labels
from nnplug.evaluation.class_statistics import Intensities, class_statistics, voxel_size
from nnplug.io.geometry import Geometry

CLASSES = Labels.from_data({"background": 0, "liver": 1, "spleen": 2, "gone": 3}, None, "test")
REGIONS = Labels.from_data({"background": 0, "whole": [1, 2], "core": 2}, [1, 2], "test")
PLACE = Geometry((2, 3, 4), (3.0, 0.5, 2.0), (2.0, 0.5, 3.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel().tolist()))
FLAT = Geometry((1, 3, 4), (999 * 2.0, 0.5, 2.0), (2.0, 0.5), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))


def volume():
    """A label map with four voxels of liver and two of spleen, and two channels; the second is the first plus 100."""
    labels = np.zeros((2, 3, 4), np.int16)
    labels[0, 0] = 1
    labels[1, 2, :2] = 2
    image = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    return labels, np.stack([image, image + 100])


def test_each_class_has_its_volume_and_the_intensities_of_each_channel():
    found = class_statistics(*volume(), CLASSES, PLACE)
    assert list(found) == ["liver", "spleen", "gone"]
    assert [(one.voxels, one.size) for one in found.values()] == [(4, 12.0), (2, 6.0), (0, 0.0)]
    first, second = found["liver"].intensities
    assert first == Intensities(mean=1.5, std=pytest.approx(1.25**0.5), median=1.5, minimum=0.0, maximum=3.0)
    assert (second.mean, second.minimum) == (101.5, 100.0)
    assert found["spleen"].intensities[0] == Intensities(20.5, 0.5, 20.5, 20.0, 21.0)


def test_a_class_without_voxels_has_no_intensities():
    assert class_statistics(*volume(), CLASSES, PLACE)["gone"].intensities == ()
    empty = class_statistics(np.zeros((2, 3, 4), np.uint8), volume()[1], CLASSES, PLACE)
    assert [one.voxels for one in empty.values()] == [0, 0, 0]


def test_a_region_has_the_voxels_of_all_its_values():
    labels, image = volume()
    found = class_statistics(labels, image, REGIONS, PLACE)
    assert [(one.voxels, one.size) for one in found.values()] == [(6, 18.0), (2, 6.0)]
    assert found["whole"].intensities[0].mean == pytest.approx((0 + 1 + 2 + 3 + 20 + 21) / 6)


@pytest.mark.parametrize(
    ("geometry", "size"),
    [
        (PLACE, ("mm3", 3.0)),
        (FLAT, ("mm2", 1.0)),
        (replace(FLAT, spacing=(999.0, 1.0, 1.0), file_spacing=(1.0, 1.0)), ("pixels", 1.0)),
    ],
)
def test_a_voxel_has_a_volume_a_pixel_of_a_slice_an_area_and_a_picture_neither(geometry, size):
    assert voxel_size(geometry) == size


def test_a_real_volume_agrees_with_counting_all_voxels(shared):
    from nnplug.dataset.dataset import Dataset
    from nnplug.evaluation.pairs import read_image_and_label

    dataset = Dataset.open(shared / "data" / "Dataset201_HeadNeckCT")
    image, label_map = read_image_and_label(dataset.training_cases()[0], dataset.description.channel_names)
    found = class_statistics(label_map.array, image.array, dataset.description.labels, image.geometry)
    assert len(found) == 7
    for value, one in enumerate(found.values(), 1):
        inside = label_map.array == value
        assert one.voxels == np.count_nonzero(inside) > 0
        assert one.size == pytest.approx(one.voxels * np.prod(image.geometry.file_spacing))
        assert one.intensities[0].mean == pytest.approx(image.array[0][inside].astype(float).mean())
        assert one.intensities[0].median == np.median(image.array[0][inside])
