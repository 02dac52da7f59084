"""Reading a training case: what would spoil everything later is refused, with file, value and remedy."""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.dataset.cases import read_training_case
from nnplug.dataset.dataset import Dataset
from nnplug.errors import InvalidFile

IMAGE = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
LABEL = (IMAGE[0] % 3).astype(np.uint8)


def read(folder):
    dataset = Dataset.open(folder)
    return read_training_case(dataset.training_cases()[0], dataset.description)


def test_image_label_and_spacing_are_read(write_dataset):
    case = read(write_dataset({"a": (IMAGE, LABEL)}, spacing=(3.0, 2.0, 1.0)))
    np.testing.assert_array_equal(case.image, IMAGE)
    np.testing.assert_array_equal(case.label, LABEL)
    assert (case.name, case.spacing, case.label.dtype) == ("a", (3.0, 2.0, 1.0), np.int16)


def test_the_ignore_label_is_known(write_dataset):
    labels = {"background": 0, "a": 1, "ignore": 2}
    assert read(write_dataset({"a": (IMAGE, LABEL)}, labels=labels)).label.max() == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("ending", [".nii.gz", ".mha"])
def test_a_value_that_is_no_number_is_refused(write_dataset, value, ending):
    image = IMAGE.copy()
    image[1, 2, 3, 4] = value
    with pytest.raises(InvalidFile, match=r"a_0001\.\S+: 1 voxels are NaN .* replace .* Verify the dataset"):
        read(write_dataset({"a": (image, LABEL)}, file_ending=ending))


@pytest.mark.parametrize("value", [3, 300, -1])
def test_an_unknown_label_value_is_refused(write_dataset, value):
    label = LABEL.astype(np.int16)
    label[0, 0, 0] = value
    with pytest.raises(InvalidFile, match=rf"a.nii.gz: holds the label value {value}; dataset.json has 0, 1, 2\. Corr"):
        read(write_dataset({"a": (IMAGE, label)}))


def test_a_label_map_of_another_shape_is_refused(write_dataset):
    with pytest.raises(InvalidFile, match=r"a.nii.gz: has shape \(3, 4, 4\), .* has \(3, 4, 5\) .* Save the label"):
        read(write_dataset({"a": (IMAGE, LABEL[..., 1:])}))


def test_another_number_of_channels_is_refused(write_dataset):
    with pytest.raises(
        InvalidFile, match=r"the image has 2 channels, expected 1 .* Give a file per channel: CASE_0000"
    ):
        read(write_dataset({"a": (IMAGE, LABEL)}, channel_names={"0": "MRI"}))
