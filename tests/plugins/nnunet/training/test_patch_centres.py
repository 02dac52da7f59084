"""The voxels that patches are centred on, as nnU-Net draws them."""

from __future__ import annotations

import numpy as np

from nnplug.dataset.labels import Labels
from nnplug_nnunet.training.patch_centres import draw_voxels

LABELS = Labels({"background": (0,), "a": (1,), "b": (2,)})


def test_voxels_are_ten_thousand_or_one_percent_of_each_class():
    label = np.zeros((3, 700, 1000), np.int16)
    label[0] = 1
    label[1, 0, :50] = 2
    label[2, :, :4] = -1
    foreground, annotated = draw_voxels(label, LABELS)
    assert annotated is None
    assert {key: len(voxels) for key, voxels in foreground.items()} == {"1": 10_000, "2": 50}
    for key, voxels in foreground.items():
        assert np.all(label[tuple(voxels.T)] == int(key))
        assert len(np.unique(voxels, axis=0)) == len(voxels)
    label[1:] = 1
    assert len(draw_voxels(label, LABELS)[0]["1"]) == 21_000
    assert draw_voxels(label, LABELS)[0]["2"].shape == (0, 3)


def test_voxels_of_regions_and_of_everything_annotated():
    label = np.array([-1, 0, 1, 2, 3, 3], np.int16).reshape(1, 2, 3)
    labels = Labels({"background": (0,), "whole": (1, 2), "core": (2,)}, regions_class_order=(1, 2), ignore=3)
    foreground, annotated = draw_voxels(label, labels)
    assert {key: len(voxels) for key, voxels in foreground.items()} == {"(1, 2)": 2, "(2,)": 1}
    assert sorted(label[tuple(annotated.T)].tolist()) == [-1, 0, 1, 2]


def test_the_order_of_dataset_json_changes_no_voxel():
    """nnU-Net sorts the labels, and draws them with one random generator."""
    label = np.random.default_rng(0).integers(0, 3, (4, 90, 100)).astype(np.int16)
    ascending, _ = draw_voxels(label, LABELS)
    other, _ = draw_voxels(label, Labels({"background": (0,), "b": (2,), "a": (1,)}))
    assert list(other) == list(ascending) == ["1", "2"]
    for key in ascending:
        np.testing.assert_array_equal(other[key], ascending[key])
