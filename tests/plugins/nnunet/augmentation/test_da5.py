"""The transforms of nnU-Net's DA5: figures of batchgeneratorsv2 0.3.6 (bench/oracle/da5.py), and its probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nnplug.contracts import AugmentationContext
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidOptions
from nnplug_nnunet.augmentation import Da5Augmenter, NnunetAugmenter
from nnplug_nnunet.augmentation.batch import moved
from nnplug_nnunet.augmentation.intensity import AdditiveBrightness
from nnplug_nnunet.augmentation.local import BlankBoxes, Blob, BrightnessGradient, LocalGamma
from nnplug_nnunet.augmentation.sample import Sample
from nnplug_nnunet.augmentation.some_channels import EvenBlur, MedianFilter, OneOf, Sharpening, SomeContrast
from nnplug_nnunet.augmentation.spatial import SpatialParams, SpatialTransform
from nnplug_nnunet.augmentation.turns import Turned, Turns, alike_axes

SIZE = (5, 6, 7)
LABELS = Labels({"background": (0,), "organ": (1,), "tumour": (2,)})
NEAREST = {  # source, patch, parameters
    "nearest_3d": ((10, 13, 12), (6, 9, 8), SpatialParams((0.4, 0.0, 0.2), (1.3, 0.8, 1.1))),
    "nearest_2d": ((25, 26), (17, 16), SpatialParams((2.5,), (1.2, 0.9))),
}
PLACE = ((0.2, 1.1, -0.3), (1.5, 3.0, 4.5))
LOCAL = (1, 1, SIZE, (-0.5, 1.5), (0.01, 0.8), (1.5, 4.0))
DRAWS = 2000


@pytest.fixture(scope="module")
def golden():
    return np.load(Path(__file__).parent / "golden" / "da5.npz")


def example(size):
    rng = np.random.RandomState(len(size))
    image = rng.normal(size=(2, *size)).astype(np.float32)
    label = rng.randint(-1, 4, (1, *size)).astype(np.int16)
    return Sample(torch.from_numpy(image), torch.from_numpy(label[0]))


def changed(transform, values):
    """The same by one channel at a time and for both together."""
    single = transform.apply(example(SIZE), dict(enumerate(values))).image
    volumes = example(SIZE).image
    transform.change(volumes, values)
    torch.testing.assert_close(single, volumes)
    return single


def agree(tensor, figures):
    np.testing.assert_allclose(tensor.numpy(), figures, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "transform", "values"),
    [
        ("median", MedianFilter(1, 1, (2, 7)), [2, 5]),
        ("even_blur", EvenBlur(1, 1, (0.3, 1.5), 3), [(0.35,) * 3, (0.7,) * 3]),
        ("shift", AdditiveBrightness(1, 1, 0.5), [0.4, -0.7]),
        ("contrast_clipped", SomeContrast(1, 1, (0.5, 2), clipped=True), [0.6, 1.7]),
        ("contrast_free", SomeContrast(1, 1, (0.5, 2), clipped=False), [0.6, 1.7]),
        ("sharpened", Sharpening(1, 1, (0.1, 1)), [0.3, 0.9]),
        ("gradient", BrightnessGradient(*LOCAL), [Blob(*PLACE, 2.5), Blob(*PLACE, -1.5)]),
        ("local_gamma", LocalGamma(*LOCAL), [Blob(*PLACE, 0.3), Blob(*PLACE, 2.5)]),
        (
            "boxes",
            BlankBoxes(1, 1, SIZE, (1, 4), (0.1, 1 / 3)),
            [(((0, 2), (1, 4), (2, 6)), ((1, 3), (0, 6), (3, 5))), (((4, 5), (5, 6), (0, 7)),)],
        ),
    ],
)
def test_a_transform_with_fixed_parameters(golden, name, transform, values):
    agree(changed(transform, values), golden[name])


def test_sharpening_in_2d(golden):
    flat = Sample(example(SIZE).image[:, 0].clone(), example(SIZE).label[0])
    agree(Sharpening(1, 1, (0.1, 1)).apply(flat, {0: 0.3, 1: 0.9}).image, golden["sharpened_2d"])


def test_the_weights_around_a_place(golden):
    agree(Blob(*PLACE, 1.0).weights(SIZE), golden["weights"])


def test_turns(golden):
    turned = Turns((6, 6, 6), 1, 1).apply(example((6, 6, 6)), Turned(3, (0, 2), (1, 2, 0)))
    agree(turned.image, golden["turned"])
    np.testing.assert_array_equal(turned.label, golden["turned_label"])
    assert turned.image.is_contiguous()


@pytest.mark.parametrize("name", NEAREST)
def test_nearest_sampling_of_image_and_label(golden, name):
    source, patch, params = NEAREST[name]
    transform = SpatialTransform(patch, False, 30, 1, (0.7, 1.4), 1, 0, "nearest", label_interpolation="nearest")
    sample = example(source)
    result = transform.apply(sample, params)
    # where a position lies between two voxels, rounding decides
    assert (result.label.numpy() != golden[f"{name}_label"]).mean() < 0.01
    assert (np.abs(result.image.numpy() - golden[name]) > 1e-6).mean() < 0.01
    image, maps = moved(transform, sample.image[None], sample.label_maps[None], [params])
    assert (image[0] != result.image).float().mean() < 0.01
    assert (maps[0, 0] != result.label).float().mean() < 0.01


def context(patch_size, previous=()):
    return AugmentationContext(patch_size, tuple(range(len(patch_size))), (0,), LABELS, previous)


def test_its_order_and_probabilities():
    pipeline = Da5Augmenter().bind(context((30, 48, 48)))
    rng = np.random.default_rng(2)
    kinds = [type(transform).__name__ for transform in pipeline.intensity]
    assert kinds == [
        *("OneOf", "GaussianNoise", "AdditiveBrightness", "OneOf", "LowResolution", "Gamma", "Gamma"),
        *("BlankBoxes", "BrightnessGradient", "LocalGamma", "Sharpening"),
    ]
    assert all(transform.inverted for transform in pipeline.intensity[5:7])
    drawn = [pipeline.draw(rng, 2) for _ in range(DRAWS)]
    rates = [
        sum(one is not None for one in effects) / DRAWS for effects in zip(*(d.effects for d in drawn), strict=True)
    ]
    # the turn, the transforms above, and mirroring
    wanted = [1, 0.2, 0.1, 0.1, 0.2, 0.15, 0.1, 0.1, 0.4, 0.3, 0.3, 0.2, 7 / 8]
    assert rates == pytest.approx(wanted, abs=0.035)
    rotated = [d.spatial.angles for d in drawn if d.spatial and d.spatial.angles]
    assert len(rotated) / DRAWS == pytest.approx(0.4, abs=0.035)
    assert np.mean([[angle == 0 for angle in angles] for angles in rotated]) == pytest.approx(0.5, abs=0.04)
    scaled = [d.spatial.scales for d in drawn if d.spatial and d.spatial.scales != (1, 1, 1)]
    assert len(scaled) / DRAWS == pytest.approx(0.2, abs=0.035)
    assert all(len(set(scales)) == 3 for scales in scaled)


def test_half_of_the_channels_change_and_one_of_two_transforms_is_taken():
    rng = np.random.default_rng(3)
    chosen = OneOf((SomeContrast(1, 0.5, (0.5, 2), clipped=True), MedianFilter(1, 0.5, (2, 7))))
    drawn = [chosen.draw(rng, 4) for _ in range(DRAWS)]
    assert np.mean([len(one) for one in drawn]) == pytest.approx(2, abs=0.1)
    first = [index for one in drawn for index, _ in one.values()]
    assert np.mean(first) == pytest.approx(0.5, abs=0.05)
    widths = {value for one in drawn for index, value in one.values() if index}
    assert widths == {2, 3, 4, 5, 6, 7}


def test_boxes_are_from_a_tenth_to_below_a_third_of_the_patch():
    rng = np.random.default_rng(4)
    for size in range(1, 300):
        boxes = BlankBoxes(1, 1, (size,), (1, 4), (1 / 10, 1 / 3))
        least = max(1, size // 10)
        assert (max(1, int(size * 0.1)), int(size * (1 / 3))) == (least, size // 3)
        for ((start, stop),) in boxes.value(rng):
            assert 0 <= start < stop <= size
            assert least <= stop - start < max(least + 1, size // 3)
    counts = {len(BlankBoxes(1, 1, (9,), (1, 4), (0.1, 1 / 3)).value(rng)) for _ in range(200)}
    assert counts == {1, 2, 3, 4}


def test_only_axes_of_one_size_are_turned():
    assert alike_axes((64, 128, 128)) == (1, 2)
    assert alike_axes((96, 96, 96)) == (0, 1, 2)
    assert alike_axes((20, 24, 32)) == ()
    rng = np.random.default_rng(5)
    assert Turns((20, 24, 32), 1, 1).draw(rng, 1) is None
    drawn = [Turns((64, 128, 128), 1, 1).draw(rng, 1) for _ in range(200)]
    assert {one.plane for one in drawn} == {(1, 2)}
    assert {one.quarters for one in drawn} == {0, 1, 2, 3}
    assert {one.order for one in drawn} == {(0, 1, 2), (0, 2, 1)}


@pytest.mark.parametrize("patch_size", [(16, 24, 24), (4, 24, 20), (24, 24)])
def test_a_sample_has_the_patch_size_and_a_cascade_its_channels(patch_size):
    pipeline = Da5Augmenter().bind(context(patch_size, previous=(1, 2)))
    size = pipeline.source_patch_size
    rng = np.random.default_rng(6)
    for seed in range(12):
        image = rng.normal(size=(1, *size)).astype(np.float32)
        label = rng.integers(-1, 3, size).astype(np.int16)
        inputs, target = pipeline(image, label, np.random.default_rng(seed), previous=np.maximum(label, 0))
        assert inputs.shape == (3, *patch_size)
        assert target.shape == patch_size
        assert np.isfinite(inputs).all()
        assert set(np.unique(target)) <= {0, 1, 2}


def test_thin_patches_can_be_transformed_in_space():
    assert NnunetAugmenter().spatial((20, 160, 128)).in_plane
    free = NnunetAugmenter(in_plane="never").spatial((20, 160, 128))
    assert not free.in_plane
    assert free.rotation == 30


def test_a_filter_without_a_width_is_refused():
    with pytest.raises(InvalidOptions, match=r"augmenter option median is \[0, 3\]; it must be two numbers above 0"):
        Da5Augmenter(median=(0, 3))
