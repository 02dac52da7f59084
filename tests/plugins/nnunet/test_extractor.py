"""The fingerprint: nnunetv2's figures, and the pooling that gives them without a hundred million draws."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnplug.dataset.dataset import Dataset
from nnplug.errors import NnplugError, Problems
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug_nnunet.extractor import NnunetExtractor, pool, summarize

DATASETS = ["Dataset300_aniso", "Dataset301_iso", "Dataset302_masked", "Dataset303_permuted", "Dataset304_mixed"]
IMAGE = np.arange(1, 61, dtype=np.float32).reshape(1, 3, 4, 5)


def extract(folder, workers=2):
    return NnunetExtractor().extract(Dataset.open(folder), executor=LocalExecutor(workers), progress=Silent())


@pytest.mark.parametrize("name", DATASETS)
def test_fingerprints_equal_nnunet(shared, name):
    spec = importlib.util.spec_from_file_location("compare", shared / "reference" / "compare.py")
    compare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(compare)
    folder = shared / "reference" / "preprocess" / name
    ours, theirs = extract(folder).data(), json.loads((folder / "expected" / "fingerprint.json").read_text())
    assert compare.fingerprint(ours, theirs) == []
    for channel, stats in theirs["foreground_intensity_properties_per_channel"].items():
        own = ours["foreground_intensity_properties_per_channel"][channel]
        assert (own["min"], own["max"]) == pytest.approx((stats["min"], stats["max"]))


def test_a_dataset_is_measured(write_dataset):
    image, label = np.zeros((1, 3, 4, 5), np.float32), np.zeros((3, 4, 5), np.uint8)
    image[0, 1:, 1:3] = 7
    label[1, 1] = 1
    image[0, 1, 1, 0] = 2
    fingerprint = extract(write_dataset({"a": (image, label), "b": (IMAGE, label)}, spacing=(3.0, 2.0, 1.0)))
    assert fingerprint.spacings == ((3, 2, 1), (3, 2, 1))
    assert fingerprint.shapes_after_crop == ((2, 2, 5), (3, 4, 5))
    assert fingerprint.median_relative_size_after_cropping == pytest.approx((20 / 60 + 1) / 2)
    stats = fingerprint.foreground_intensity_properties_per_channel["0"]
    assert (stats.min, stats.max) == (2, 30)
    assert stats.mean == pytest.approx((6 + 28) / 2)


def test_foreground_that_cropping_removes_does_not_count(write_dataset):
    image, label = np.zeros((1, 3, 4, 5), np.float32), np.zeros((3, 4, 5), np.uint8)
    image[0, 1:, 1:3, 1:] = 7
    label[0] = label[1, 1] = 1
    stats = extract(write_dataset({"a": (image, label)})).foreground_intensity_properties_per_channel["0"]
    assert (stats.min, stats.max) == (7, 7)


def test_the_median_of_two_equal_halves_lies_between_them():
    halves = [np.float32([343, 506]), np.float32([625, 674, 712])]
    assert pool([summarize(values) for values in halves]).median == (506 + 625) / 2


def test_cases_without_foreground_do_not_count(write_dataset):
    label = np.ones((3, 4, 5), np.uint8)
    both = extract(write_dataset({"a": (IMAGE, label), "b": (IMAGE * 100, label * 0)}, name="Dataset002_Both"))
    alone = extract(write_dataset({"a": (IMAGE, label)}, name="Dataset003_Alone"))
    assert both.foreground_intensity_properties_per_channel == alone.foreground_intensity_properties_per_channel


def test_a_dataset_without_foreground_is_refused(write_dataset):
    folder = write_dataset({"a": (IMAGE, np.zeros((3, 4, 5), np.uint8))})
    with pytest.raises(NnplugError, match=r"Dataset001_A: no label map holds a foreground voxel .* labelsTr"):
        extract(folder)


def test_a_bad_case_is_named(write_dataset):
    folder = write_dataset({"a": (IMAGE, np.full((3, 4, 5), 9, np.uint8))})
    with pytest.raises(Problems, match=r"^fingerprint of a: .*a\.nii\.gz: holds the label value 9"):
        extract(folder)


def test_the_number_of_workers_changes_nothing(write_dataset):
    random = np.random.default_rng(0)
    label = np.ones((3, 4, 5), np.uint8)
    cases = {name: (random.normal(size=(1, 3, 4, 5)).astype(np.float32), label) for name in "abcde"}
    folder = write_dataset(cases)
    assert extract(folder, 1) == extract(folder, 3)


def check_percentiles(stats, values, weights, *, tolerance):
    """The share of the voxels below each percentile, and up to it, lie on both sides of what its name says."""
    for share, quantile in ((0.005, stats.percentile_00_5), (0.5, stats.median), (0.995, stats.percentile_99_5)):
        assert weights[values < quantile].sum() <= share + tolerance
        assert weights[values <= quantile].sum() >= share - tolerance


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=4), st.integers(0, 1000))
def test_pooling_equals_statistics_of_equally_weighted_cases(sizes, seed):
    random = np.random.default_rng(seed)
    cases = [random.normal(random.normal(0, 50), 20, size).astype(np.float32) for size in sizes]
    stats = pool([summarize(values) for values in cases])
    values = np.concatenate(cases).astype(np.float64)
    weights = np.concatenate([np.full(len(c), 1 / len(c) / len(cases)) for c in cases])
    mean = np.average(values, weights=weights)
    assert stats.mean == pytest.approx(mean, abs=1e-3)
    assert stats.std == pytest.approx(np.sqrt(np.average((values - mean) ** 2, weights=weights)), abs=1e-3)
    assert (stats.min, stats.max) == (values.min(), values.max())
    check_percentiles(stats, values, weights, tolerance=2e-4)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([1, 2, 50, 5_000, 50_000]), min_size=1, max_size=4), st.integers(0, 1000))
def test_percentiles_of_whole_numbers_are_exact_however_many_voxels(sizes, seed):
    random = np.random.default_rng(seed)
    cases = [random.gamma(2, 100, size).astype(np.int16).astype(np.float32) for size in sizes]
    stats = pool([summarize(values, most=4096) for values in cases])
    weights = np.concatenate([np.full(len(c), 1 / len(c) / len(cases)) for c in cases])
    check_percentiles(stats, np.concatenate(cases), weights, tolerance=1e-12)
