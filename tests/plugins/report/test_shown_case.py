"""A case is read, made small and drawn; faults of its files are one line."""

from __future__ import annotations

import base64
import gzip

import numpy as np
import pytest

from nnplug.errors import InvalidFile
from nnplug.io.images import Geometry, write_image, write_label
from nnplug_report.shown_case import (
    CONFUSED,
    EXTRA,
    MISSED,
    PREDICTION,
    REFERENCE,
    ShownFiles,
    differences,
    show_case,
)


@pytest.fixture
def write(tmp_path):
    def write(name, array, *, is_label=False):
        size = array.shape
        place = Geometry(size, (3.0, 1.0, 1.0), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
        path = tmp_path / f"{name}.nii.gz"
        (write_label if is_label else write_image)(path, array, place)
        return path

    return write


def test_differences_are_missed_extra_and_confused():
    reference, prediction = np.array([0, 1, 0, 2, 2], np.int16), np.array([0, 0, 1, 1, 2], np.int16)
    assert differences(prediction, reference).tolist() == [0, MISSED, EXTRA, CONFUSED, 0]


def test_a_case_has_its_channels_layers_and_pictures(write):
    image = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
    label = np.zeros((4, 6, 5), np.int16)
    label[2, 2:4, 1:4] = 2
    images = (write("a_0000", image), write("a_0001", 2 * image))
    layers = {PREDICTION: write("p", label, is_label=True), REFERENCE: write("r", np.roll(label, 1, 2), is_label=True)}
    shown = show_case(ShownFiles("a", images, layers, channels=("T1", "T2")))
    assert [one.title for one in shown.channels] == ["T1", "T2"]
    assert [one.title for one in shown.layers] == ["prediction", "reference", "differences"]
    assert [one.title for one in shown.previews] == ["image", "prediction", "reference"]
    assert not shown.is_flat
    stored = gzip.decompress(base64.b64decode(shown.layers[0].data))[352:]
    np.testing.assert_array_equal(np.frombuffer(stored, np.uint8).reshape(4, 6, 5), label)
    assert shown.channels[1].high == pytest.approx(2 * shown.channels[0].high)


def test_noise_that_cannot_be_compressed_is_shrunk_until_it_fits(write):
    noise = np.random.default_rng(0).normal(size=(16, 40, 40)).astype(np.float32)
    label = np.zeros(noise.shape, np.int16)
    label[4:12, 10:30, 10:30] = 1
    files = ShownFiles("a", (write("a_0000", noise),), {PREDICTION: write("p", label, is_label=True)})
    whole = show_case(files)
    small = show_case(files, most_bytes=whole.size // 3)
    assert small.size <= whole.size // 3
    assert whole.remark == ""
    assert small.remark.startswith("Shown: ")


def test_a_label_map_on_another_grid_is_one_line(write):
    image, label = (
        write("a_0000", np.zeros((4, 6, 5), np.float32)),
        write("p", np.zeros((4, 6, 6), np.int16), is_label=True),
    )
    with pytest.raises(InvalidFile, match=r"p\.nii\.gz: has shape \(4, 6, 6\), .*a_0000.nii.gz has \(4, 6, 5\)"):
        show_case(ShownFiles("a", (image,), {PREDICTION: label}))
