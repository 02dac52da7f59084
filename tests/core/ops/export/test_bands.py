"""Labels by bands of slices, as on a GPU, are those of one slice after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnplug.ops.export import label_map, streamed_label_map
from nnplug.ops.export.bands import banded_labels

SIZES = st.tuples(*[st.integers(1, 12)] * 3)


def smooth(shape, seed):
    """Logits whose classes have borders, as a network gives them, instead of noise."""
    coarse = torch.randn((1, 4, 3, 3, 3), generator=torch.Generator().manual_seed(seed))
    return 5 * torch.nn.functional.interpolate(coarse, shape, mode="trilinear")[0]


def share_equal(one, other):
    return (np.asarray(one) == np.asarray(other)).mean()


@settings(max_examples=80, deadline=None)
@given(SIZES, SIZES, st.sampled_from([None, 0, 1, 2]), st.integers(1, 9), st.booleans(), st.integers(0, 99))
def test_bands_of_any_size_give_the_labels_of_slices(old, new, axis, slices, regions, seed):
    logits = smooth(old, seed)
    order = (2, 1, 3, 9) if regions else None
    expected = label_map(logits, new, axis=axis, regions_class_order=order)
    size = slices * 4 * 4 * max(old[1] * old[2], new[1] * new[2])
    found = banded_labels(logits.unbind(1), old[0], new, axis=axis, regions_class_order=order, band_bytes=size)
    assert found.dtype == torch.uint8
    assert share_equal(found, expected) >= 0.999


@pytest.mark.parametrize("new", [(40, 50, 45), (90, 100, 70), (21, 30, 33), (47, 50, 100)])
def test_labels_of_a_whole_image_are_equal(new):
    logits = smooth((40, 50, 45), 1)
    expected = label_map(logits, new)
    assert len(np.unique(expected)) == 4
    found = banded_labels(logits.unbind(1), 40, new, band_bytes=7 * logits[:, 0].nbytes)
    assert share_equal(found, expected) >= 0.9999


def test_planes_may_reuse_their_memory():
    logits = smooth((9, 8, 7), 3)

    def planes():
        memory = torch.empty_like(logits[:, 0])
        for plane in logits.unbind(1):
            yield memory.copy_(plane)
        memory.zero_()

    expected = label_map(logits, (14, 8, 10))
    assert share_equal(banded_labels(planes(), 9, (14, 8, 10)), expected) == 1
    assert share_equal(streamed_label_map(planes(), 9, (14, 8, 10)), expected) == 1


def test_more_than_255_classes_fit():
    logits = torch.zeros(300, 2, 3, 3)
    logits[299] = 1
    found = banded_labels(logits.unbind(1), 2, (4, 3, 3))
    assert found.dtype == torch.int16
    assert (found == 299).all()
