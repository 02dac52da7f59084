"""Normalisations: nnU-Net's formulas, worked by hand, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnplug import Kind, Plugins
from nnplug.errors import NnplugError
from nnplug.plans.fingerprint import IntensityStats

STATS = IntensityStats(mean=10, median=10, std=4, min=-900, max=900, percentile_00_5=-2, percentile_99_5=30)
images = arrays(np.float32, (2, 3, 4), elements=st.floats(-1000, 1000, width=16))


@pytest.fixture(scope="module")
def normalize():
    registry = Plugins().registry

    def run(name, values, mask=None, intensity=STATS):
        image = np.array(values, np.float32)
        return registry.create(Kind.NORMALIZER, name).normalize(image, mask, intensity)

    return run


def test_the_plugin_offers_nnunets_five():
    offered = {entry.name for entry in Plugins().registry if entry.kind is Kind.NORMALIZER}
    assert {"ct", "zscore", "none", "rescale-0-1", "rgb-0-1"} <= offered


def test_only_zscore_keeps_what_is_outside_at_zero():
    registry = Plugins().registry
    names = ("ct", "zscore", "none", "rescale-0-1", "rgb-0-1")
    zeroing = {name: registry.create(Kind.NORMALIZER, name).zeroes_outside_mask for name in names}
    assert [name for name in names if zeroing[name]] == ["zscore"]


@given(images)
def test_zscore_is_population_mean_and_deviation(normalize, image):
    expected = (image.astype(np.float64) - image.mean(dtype=np.float64)) / max(image.std(dtype=np.float64), 1e-8)
    if image.std(dtype=np.float64) > 1e-2:
        np.testing.assert_allclose(normalize("zscore", image), expected, atol=1e-3)
    assert np.isfinite(normalize("zscore", image)).all()


def test_zscore_with_a_mask_sees_and_changes_only_the_inside(normalize):
    image = np.array([[[0, 1, 3, 7]]])
    result = normalize("zscore", image, image > 0)
    expected = (np.array([1, 3, 7]) - 11 / 3) / np.std([1, 3, 7])
    np.testing.assert_allclose(result[0, 0], [0, *expected], rtol=1e-5)


def test_zscore_of_an_empty_mask_changes_nothing(normalize):
    np.testing.assert_array_equal(normalize("zscore", [[[1, 2]]], np.zeros((1, 1, 2), np.bool_)), [[[1, 2]]])


def test_zscore_of_a_constant_is_zero(normalize):
    assert not normalize("zscore", np.full((2, 3, 4), 7)).any()


def test_ct_clips_to_percentiles_then_scales_by_the_dataset(normalize):
    result = normalize("ct", [[[-1000, -2, 10, 14, 30, 3000]]])
    np.testing.assert_allclose(result[0, 0], [-3, -3, 0, 1, 5, 5])


def test_ct_needs_statistics(normalize):
    with pytest.raises(NnplugError, match=r"'ct' needs the dataset's foreground intensities, .*Measure and plan"):
        normalize("ct", [[[1]]], intensity=None)


@given(images)
def test_none_changes_nothing(normalize, image):
    np.testing.assert_array_equal(normalize("none", image), image)


def test_rescale_spans_zero_to_one(normalize):
    np.testing.assert_allclose(normalize("rescale-0-1", [[[-5, 0, 15]]])[0, 0], [0, 0.25, 1])
    assert not normalize("rescale-0-1", [[[4, 4]]]).any()


def test_rgb_divides_by_255(normalize):
    np.testing.assert_allclose(normalize("rgb-0-1", [[[0, 51, 255]]])[0, 0], [0, 0.2, 1])


@pytest.mark.parametrize("value", [-1, 256])
def test_rgb_refuses_other_values(normalize, value):
    with pytest.raises(NnplugError, match=rf"takes values from 0 to 255, the image holds {value}\. Name the channel"):
        normalize("rgb-0-1", [[[0, value]]])
