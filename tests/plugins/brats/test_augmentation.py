"""DA and DA*: every probability and range of the table, read from what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from nnplug.contracts import AugmentationContext
from nnplug.dataset.labels import Labels
from nnplug_brats.augmentation import AggressiveAugmenter, BratsAugmenter
from nnplug_nnunet.augmentation.intensity import AdditiveBrightness, Brightness, Contrast, Gamma, GaussianNoise
from nnplug_nnunet.augmentation.resolution import GaussianBlur, LowResolution

DRAWS = 4000
CHANNELS = 4
PATCH = (32, 32, 32)
LABELS = Labels({"background": (0,), "whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}, (1, 2, 3))
BOTH = pytest.mark.parametrize("augmenter", [BratsAugmenter(), AggressiveAugmenter()], ids=["DA", "DA*"])


def bind(augmenter, patch_size=PATCH):
    return augmenter.bind(AugmentationContext(patch_size, tuple(range(len(patch_size))), (0, 1, 2, 3), LABELS))


def draws(transform):
    rng = np.random.default_rng(2)
    return [transform.draw(rng, CHANNELS) for _ in range(DRAWS)]


def share(drawn):
    return sum(map(bool, drawn)) / DRAWS


def uniform(values, low, high):
    assert low <= min(values)
    assert max(values) <= high
    assert kstest(values, "uniform", (low, high - low)).pvalue > 1e-3


def below_and_above_1(values, low, high):
    """Half of the draws below 1 and half above, each half evenly."""
    values = np.asarray(values)
    assert np.mean(values < 1) == pytest.approx(0.5, abs=0.06)
    uniform(values[values < 1], low, 1)
    uniform(values[values >= 1], 1, high)


@BOTH
def test_rotation(augmenter):
    turned = [d.angles for d in draws(bind(augmenter).spatial) if d and d.angles]
    assert len(turned) / DRAWS == pytest.approx(0.3, abs=0.025)
    limit = 90 if isinstance(augmenter, AggressiveAugmenter) else 30
    for axis in range(3):
        uniform(np.degrees([angles[axis] for angles in turned]), -limit, limit)


@BOTH
def test_scaling(augmenter):
    scaled = [d.scales for d in draws(bind(augmenter).spatial) if d and d.scales != (1, 1, 1)]
    assert len(scaled) / DRAWS == pytest.approx(0.3, abs=0.025)
    apart = [scales for scales in scaled if len(set(scales)) > 1]
    assert len(apart) / len(scaled) == pytest.approx(0.3, abs=0.05)
    below_and_above_1([scales[0] for scales in scaled], 0.65, 1.6)
    below_and_above_1([scales[2] for scales in apart], 0.65, 1.6)


@pytest.mark.parametrize(("augmenter", "p"), [(BratsAugmenter(), 0.3), (AggressiveAugmenter(), 0.2)], ids=["DA", "DA*"])
def test_elastic_deformation(augmenter, p):
    deformed = [d.elastic for d in draws(bind(augmenter).spatial) if d and d.elastic]
    assert len(deformed) / DRAWS == pytest.approx(p, abs=0.025)
    uniform([e.sigmas[0] / PATCH[0] for e in deformed], 0, 0.25)
    uniform([e.magnitudes[1] / e.sigmas[1] for e in deformed], 1 / 8, 1 / 2)


@BOTH
def test_intensities_in_their_order(augmenter):
    noise, _, brightness, contrast, low, inverted, _, gamma = bind(augmenter).intensity
    kinds = [GaussianNoise, GaussianBlur, Brightness, Contrast, LowResolution, Gamma, AdditiveBrightness, Gamma]
    assert [type(t) for t in bind(augmenter).intensity] == kinds
    assert (inverted.inverted, gamma.inverted, low.cubic) == (True, False, True)
    assert share(draws(noise)) == pytest.approx(0.15, abs=0.02)
    uniform([d[0].sigma for d in draws(noise) if d], 0, 0.1)
    for transform, p, limits in [
        (brightness, 0.15, (0.7, 1.3)),
        (contrast, 0.15, (0.65, 1.5)),
        (inverted, 0.15, (0.5, 1.6)),
        (gamma, 0.3, (0.5, 1.6)),
    ]:
        drawn = [d for d in draws(transform) if d]
        assert len(drawn) / DRAWS == pytest.approx(p, abs=0.025)
        below_and_above_1([factor for d in drawn for factor in d.values()], *limits)


@BOTH
def test_blur_and_low_resolution(augmenter):
    _, blur, _, _, low, *_ = bind(augmenter).intensity
    for transform, p in ((blur, 0.2), (low, 0.25)):
        chosen = [d for d in draws(transform) if d is not None]
        assert len(chosen) / DRAWS == pytest.approx(p, abs=0.025)
        assert np.mean([len(d) for d in chosen]) == pytest.approx(CHANNELS * 0.5, abs=0.2)
    uniform([s for d in draws(blur) if d for sigmas in d.values() for s in sigmas], 0.5, 1.5)
    uniform([zoom for d in draws(low) if d for zoom in d.values()], 0.5, 1.0)


@pytest.mark.parametrize(
    ("augmenter", "p_channel"), [(BratsAugmenter(), 1.0), (AggressiveAugmenter(), 0.5)], ids=["DA", "DA*"]
)
def test_additive_brightness(augmenter, p_channel):
    drawn = [d for d in draws(bind(augmenter).intensity[6]) if d is not None]
    assert len(drawn) / DRAWS == pytest.approx(0.3, abs=0.025)
    assert np.mean([len(d) for d in drawn]) == pytest.approx(CHANNELS * p_channel, abs=0.15)
    shifts = [shift for d in drawn for shift in d.values()]
    assert kstest(shifts, "norm", (0, 0.2)).pvalue > 1e-3


@BOTH
def test_mirroring_and_the_room_that_is_cut(augmenter):
    pipeline = bind(augmenter)
    assert np.mean([bool(d) for d in draws(pipeline.mirror)]) == pytest.approx(1 - 0.5**3, abs=0.03)
    assert min(pipeline.source_patch_size) >= 32 / 0.7 - 1


def test_the_room_is_that_of_the_default_scales():
    assert bind(BratsAugmenter()).source_patch_size == (62, 62, 62)  # 32 (cos 30 + sin 30) / 0.7
    assert bind(AggressiveAugmenter(), (64, 64)).source_patch_size == (91, 91)


@BOTH
def test_what_was_zero_outside_the_brain_is_zero_again(augmenter):
    pipeline = bind(augmenter, (16, 16, 16))
    rng = np.random.default_rng(0)
    image = rng.normal(size=(CHANNELS, *pipeline.source_patch_size)).astype(np.float32)
    for seed in range(3):
        result, label = pipeline(image, np.full(image.shape[1:], -1, np.int16), np.random.default_rng(seed))
        assert not result.any()
        assert not label.any()
