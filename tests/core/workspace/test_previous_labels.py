"""What the previous stage of a cascade predicted, on disk and with the cases."""

import numpy as np
import pytest

from nnplug.errors import NnplugError
from nnplug.testing.samples import SHAPE, write_cases
from nnplug.workspace.previous_labels import PreviousLabels

MAP = np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.int16)


@pytest.fixture
def labels(tmp_path):
    previous = PreviousLabels(tmp_path / "previous")
    previous.write("a", MAP, source="first")
    return previous


def test_a_map_takes_a_byte_per_voxel_and_patches_of_it_are_read(labels):
    stored = labels.read("a")
    assert (stored.dtype, stored.shape) == (np.uint8, SHAPE)
    np.testing.assert_array_equal(stored[1:3, 4:7], MAP[1:3, 4:7])


def test_many_labels_keep_their_values(labels):
    labels.write("b", MAP + 1000, source="first")
    np.testing.assert_array_equal(labels.read("b")[...], MAP + 1000)


def test_it_is_told_apart_by_weights_and_shape(labels):
    assert labels.holds("a", shape=SHAPE, source="first")
    assert not labels.holds("a", shape=SHAPE, source="second")
    assert not labels.holds("a", shape=(1, 2, 3), source="first")
    assert not labels.holds("b", shape=SHAPE, source="first")
    (labels.folder / "a" / "labels.npy").write_bytes(b"torn")
    assert not labels.holds("a", shape=SHAPE, source="first")


def test_cases_come_with_it(labels, tmp_path):
    plain = write_cases(tmp_path / "cases")
    assert plain["a"].previous is None
    np.testing.assert_array_equal(plain["a"].channels(), plain["a"].image[...])
    store = type(plain)(plain.folder, previous=labels)
    channels = store["a"].channels()
    assert (channels.dtype, channels.shape) == (np.float32, (3, *SHAPE))
    np.testing.assert_array_equal(channels[-1], MAP)
    with pytest.raises(NnplugError, match="labels.npy: cannot be read"):
        store["b"]
