"""The pipeline: nnU-Net's probabilities and ranges, the modes by patch size, and what a sample looks like after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from nnplug.contracts import AugmentationContext
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidOptions
from nnplug.registry.options import build
from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.augmentation.intensity import AdditiveBrightness, Brightness, Contrast, Gamma, GaussianNoise
from nnplug_nnunet.augmentation.resolution import GaussianBlur, LowResolution
from nnplug_nnunet.augmentation.sample import Sample
from nnplug_nnunet.augmentation.spatial import SpatialParams, SpatialTransform

DRAWS = 4000
LABELS = Labels({"background": (0,), "organ": (1,), "tumour": (2,)})
NEVER = dict.fromkeys(
    (
        "p_rotation",
        "p_scaling",
        "p_noise",
        "p_blur",
        "p_brightness",
        "p_contrast",
        "p_low_resolution",
        "p_gamma",
        "p_gamma_inverted",
    ),
    0.0,
)


def bind(patch_size, *, mirror=None, masked=(), **options):
    mirror = tuple(range(len(patch_size))) if mirror is None else mirror
    return NnunetAugmenter(**options).bind(AugmentationContext(patch_size, mirror, masked, LABELS))


def example(pipeline, seed=0, channels=2):
    rng = np.random.default_rng(seed)
    size = pipeline.source_patch_size
    return rng.normal(size=(channels, *size)).astype(np.float32), rng.integers(-1, 3, size).astype(np.int16)


def draws(transform, channels=2):
    rng = np.random.default_rng(1)
    return [transform.draw(rng, channels) for _ in range(DRAWS)]


def uniform(values, low, high):
    """Check that numbers are spread evenly over a range (Kolmogorov and Smirnov)."""
    assert low <= min(values)
    assert max(values) <= high
    assert kstest(values, "uniform", (low, high - low)).pvalue > 1e-3


def test_the_order_is_nnunets():
    kinds = [type(transform) for transform in bind((32, 32, 32)).intensity]
    expected = [GaussianNoise, GaussianBlur, Brightness, Contrast, LowResolution, Gamma, AdditiveBrightness, Gamma]
    assert kinds == expected
    assert [t.inverted for t in bind((32, 32, 32)).intensity if isinstance(t, Gamma)] == [True, False]


def test_rotation_and_scaling_are_drawn_apart():
    drawn = draws(bind((32, 32, 32)).spatial)
    rotated = [d for d in drawn if d and d.angles]
    scaled = [d for d in drawn if d and d.scales != (1, 1, 1)]
    assert len(rotated) / DRAWS == pytest.approx(0.2, abs=0.025)
    assert len(scaled) / DRAWS == pytest.approx(0.2, abs=0.025)
    assert sum(d is None for d in drawn) / DRAWS == pytest.approx(0.64, abs=0.025)
    for axis in range(3):
        uniform(np.degrees([d.angles[axis] for d in rotated]), -30, 30)
    uniform([d.scales[0] for d in scaled], 0.7, 1.4)
    assert all(len(set(d.scales)) == 1 for d in scaled)


def test_scaling_can_draw_each_axis():
    drawn = draws(bind((32, 32, 32), p_scale_per_axis=0.3, p_scaling=1.0).spatial)
    assert sum(len(set(d.scales)) == 3 for d in drawn) / DRAWS == pytest.approx(0.3, abs=0.025)


@pytest.mark.parametrize(
    ("patch_size", "rotation", "in_plane"),
    [
        ((32, 32, 32), 30, False),
        ((32, 96, 96), 30, False),
        ((30, 96, 40), 180, True),
        ((64, 64), 180, False),
        ((96, 64), 180, False),
        ((97, 64), 15, False),
    ],
)
def test_the_patch_decides_on_the_angles(patch_size, rotation, in_plane):
    spatial = bind(patch_size).spatial
    assert (spatial.rotation, spatial.in_plane) == (rotation, in_plane)
    angles = [d.angles for d in draws(spatial) if d and d.angles]
    assert {len(a) for a in angles} == {3 if len(patch_size) == 3 and not in_plane else 1}
    uniform(np.degrees([a[-1] for a in angles]), -rotation, rotation)


def test_in_plane_mode_spares_the_first_axis():
    pipeline = bind((10, 48, 40))
    assert pipeline.source_patch_size == (10, 56, 56)
    assert next(t for t in pipeline.intensity if isinstance(t, LowResolution)).spared_axes == 1


def test_noise():
    drawn = draws(GaussianNoise(0.1, (0.0, 0.1)))
    noisy = [d for d in drawn if d]
    assert len(noisy) / DRAWS == pytest.approx(0.1, abs=0.02)
    assert np.mean([d[0].sigma for d in noisy]) == pytest.approx(0.05, abs=0.005)
    assert max(d[0].sigma for d in noisy) <= 0.1
    assert all(d[0].sigma == d[1].sigma for d in noisy)
    assert len({noise.seed for d in noisy for noise in d.values()}) == 2 * len(noisy)


def test_blur_and_low_resolution_choose_channels():
    blur, low = (t for t in bind((32, 32, 32)).intensity if isinstance(t, (GaussianBlur, LowResolution)))
    for transform, p in ((blur, 0.2), (low, 0.25)):
        drawn = draws(transform)
        chosen = [d for d in drawn if d is not None]
        assert len(chosen) / DRAWS == pytest.approx(p, abs=0.025)
        assert np.mean([len(d) for d in chosen]) == pytest.approx(2 * 0.5, abs=0.1)
    uniform([s for d in draws(blur) if d for sigmas in d.values() for s in sigmas], 0.5, 1.0)
    uniform([zoom for d in draws(low) if d for zoom in d.values()], 0.5, 1.0)
    assert all(len(set(sigmas)) == 3 for d in draws(blur) if d for sigmas in d.values())


@pytest.mark.parametrize(
    ("index", "p", "low", "high"),
    [(2, 0.15, 0.75, 1.25), (3, 0.15, 0.75, 1.25), (5, 0.1, 0.7, 1.5), (7, 0.3, 0.7, 1.5)],
    ids=["brightness", "contrast", "inverted gamma", "gamma"],
)
def test_factors_lie_below_and_above_1_equally_often(index, p, low, high):
    drawn = draws(bind((32, 32, 32)).intensity[index])
    factors = np.array([list(d.values()) for d in drawn if d])
    assert len(factors) / DRAWS == pytest.approx(p, abs=0.025)
    assert np.mean(factors < 1) == pytest.approx(0.5, abs=0.06)
    uniform(factors[factors < 1], low, 1)
    uniform(factors[factors >= 1], 1, high)
    assert (factors[:, 0] != factors[:, 1]).all()


def test_additive_brightness_is_off_and_can_be_turned_on():
    transform = bind((32, 32, 32)).intensity[6]
    assert set(draws(transform)) == {None}
    shifts = [d for d in draws(replace(transform, p=0.3, p_channel=0.5)) if d is not None]
    assert len(shifts) / DRAWS == pytest.approx(0.3, abs=0.025)
    assert np.std([s for d in shifts for s in d.values()]) == pytest.approx(0.2, abs=0.02)


def test_axes_are_mirrored_half_of_the_time_and_only_those_allowed():
    drawn = draws(bind((32, 32, 32), mirror=(0, 2)).mirror)
    for axis, p in ((0, 0.5), (1, 0), (2, 0.5)):
        assert sum(axis in (d or ()) for d in drawn) / DRAWS == pytest.approx(p, abs=0.025)


@pytest.mark.parametrize("patch_size", [(16, 24, 20), (6, 40, 32), (40, 32), (60, 20)])
@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_a_sample_has_the_patch_size_and_no_label_below_0(patch_size, interpolation):
    pipeline = bind(patch_size, interpolation=interpolation, p_rotation=0.6, p_scaling=0.6, p_low_resolution=0.6)
    for seed in range(6):
        image, label = pipeline(*example(pipeline, seed), np.random.default_rng(seed))
        assert (image.shape, label.shape) == ((2, *patch_size), patch_size)
        assert (image.dtype, label.dtype) == (np.float32, np.int16)
        assert np.isfinite(image).all()
        assert set(np.unique(label)) <= {0, 1, 2}


def test_the_generator_alone_decides():
    pipeline = bind((16, 16, 16), p_rotation=1.0, p_noise=1.0)
    one, same, other = (pipeline(*example(pipeline), np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one[0], same[0])
    np.testing.assert_array_equal(one[1], same[1])
    assert (one[0] != other[0]).any()


def test_the_given_arrays_stay_as_they_are():
    pipeline = bind((16, 16, 16), masked=(0, 1), p_gamma=1.0, p_brightness=1.0)
    image, label = example(pipeline)
    before = image.copy(), label.copy()
    pipeline(image, label, np.random.default_rng(0))
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label, before[1])


def test_masked_channels_are_0_where_the_label_is_minus_1():
    pipeline = bind((16, 16, 16), mirror=(), masked=(1,), **NEVER)
    source_image, source_label = example(pipeline)
    image, label = pipeline(source_image, source_label, np.random.default_rng(0))
    start = [n // 2 - 8 for n in pipeline.source_patch_size]
    box = tuple(slice(s, s + 16) for s in start)
    outside = source_label[box] == -1
    assert not image[1, outside].any()
    np.testing.assert_array_equal(image[0], source_image[:, *box][0])
    np.testing.assert_array_equal(label, np.maximum(source_label[box], 0))


def test_cubic_images_differ_and_labels_do_not():
    pipelines = [bind((16, 16, 16), interpolation=kind) for kind in ("linear", "cubic")]
    affine = SpatialParams((0.2, 0.1, 0.3), (1.1, 1.1, 1.1))
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.normal(size=(1, *pipelines[0].source_patch_size)), axis=1).astype(np.float32)
    label = (smooth[0] > 0).astype(np.int16)
    results = [apply(p.spatial, smooth, label, affine) for p in pipelines]
    assert (results[0].image != results[1].image).any()
    assert torch.nn.functional.l1_loss(results[0].image, results[1].image) < 0.5 * results[0].image.std()
    assert torch.equal(results[0].label, results[1].label)


def apply(spatial: SpatialTransform, image, label, affine):
    return spatial.apply(Sample(torch.from_numpy(image), torch.from_numpy(label)), affine)


def test_cubic_low_resolution_stays_in_the_range():
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 12, 12, 12)).astype(np.float32))
    low, high = image.aminmax()
    transform = LowResolution(1, 1, (0.5, 1), 0, cubic=True)
    result = transform.apply(Sample(image, torch.zeros(12, 12, 12, dtype=torch.int16)), {0: 0.6}).image
    assert low <= result.min()
    assert result.max() <= high


def test_bad_options_are_refused():
    with pytest.raises(InvalidOptions, match=r"augmenter option p_noise is 1\.5; it must be from 0 to 1"):
        NnunetAugmenter(p_noise=1.5)
    with pytest.raises(InvalidOptions, match=r"augmenter option scaling is \[1\.4, 0\.7\]; it must be two numbers"):
        NnunetAugmenter(scaling=(1.4, 0.7))
    with pytest.raises(InvalidOptions, match="augmenter option blur is"):
        NnunetAugmenter(blur=(0.0, 1.0))


def test_options_from_the_command_line_are_converted():
    built = build(NnunetAugmenter, {"scaling": [0.8, 1.2], "p_noise": 1}, what="augmenter 'nnunet'")
    assert built == NnunetAugmenter(scaling=(0.8, 1.2), p_noise=1.0)
