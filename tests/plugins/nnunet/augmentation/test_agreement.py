"""With its parameters fixed, each transform gives what batchgeneratorsv2 0.3.6 gives (bench/oracle/augmentation.py)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from nnplug_nnunet.augmentation.intensity import Brightness, Contrast, Gamma, GaussianNoise, MaskOutside, Noise
from nnplug_nnunet.augmentation.resample import grid_positions, is_separable, linear_image
from nnplug_nnunet.augmentation.resolution import GaussianBlur, LowResolution
from nnplug_nnunet.augmentation.sample import Sample
from nnplug_nnunet.augmentation.spatial import Mirror, SpatialParams, SpatialTransform, source_size

SIZE = (5, 6, 7)
SPATIAL = {  # source, patch, parameters
    "rotated": ((10, 13, 12), (6, 9, 8), SpatialParams((0.4, -0.3, 0.2), (1.0, 1.0, 1.0))),
    "rotated_scaled": ((10, 13, 12), (6, 9, 8), SpatialParams((-0.2, 0.5, 0.1), (1.3, 1.3, 1.3))),
    "scaled_up": ((10, 13, 12), (6, 9, 8), SpatialParams((), (0.7, 0.7, 0.7))),
    "scaled_beyond": ((10, 13, 12), (7, 10, 8), SpatialParams((), (1.4, 1.4, 1.4))),
    "turned_2d": ((25, 26), (17, 16), SpatialParams((2.5,), (1.2, 1.2))),
    "scaled_2d": ((25, 26), (17, 16), SpatialParams((), (0.8, 0.8))),
}
CROPS = {"crop": ((10, 13, 12), (6, 9, 8)), "crop_odd": ((11, 12, 9), (6, 7, 4))}


@pytest.fixture(scope="module")
def golden():
    return np.load(Path(__file__).parent / "golden" / "batchgeneratorsv2.npz")


def example(size):
    rng = np.random.RandomState(len(size))
    image = rng.normal(size=(2, *size)).astype(np.float32)
    label = rng.randint(-1, 4, (1, *size)).astype(np.int16)
    return Sample(torch.from_numpy(image), torch.from_numpy(label[0]))


def spatial(patch, *, in_plane=False):
    return SpatialTransform(patch, in_plane, 30, 1, (0.7, 1.4), 1, 0, "linear")


def weights_of_labels(source, patch, params):
    """(labels from -1, *patch): how much of each is around a position, by interpolating indicators."""
    margin = 8  # of -1, so that nothing reaches the end of the arrays
    label = pad(example(source).label, (margin, margin) * len(source), value=-1)
    indicators = torch.stack([label == value for value in range(-1, 4)]).float()
    matrix = params.matrix()
    return linear_image(indicators, grid_positions(matrix, patch, label.shape), separable=is_separable(matrix))


def agree(tensor, figures, tolerance=1e-4):
    np.testing.assert_allclose(tensor.numpy(), figures, atol=tolerance)


@pytest.mark.parametrize("name", SPATIAL)
def test_rotation_and_scaling(golden, name):
    source, patch, params = SPATIAL[name]
    result = spatial(patch).apply(example(source), params)
    agree(result.image, golden[name])
    expected = torch.from_numpy(golden[f"{name}_label"])
    assert (result.label != expected).float().mean() < 0.012
    # where they differ, both labels have the largest weight, as far as batchgeneratorsv2's half precision tells
    weight = weights_of_labels(source, patch, params)
    for labels in (result.label, expected):
        assert (weight.gather(0, labels[None].long() + 1)[0] > weight.max(0).values - 1e-3).all()


@pytest.mark.parametrize("name", CROPS)
def test_the_crop_where_neither_is_drawn(golden, name):
    source, patch = CROPS[name]
    result = spatial(patch).crop(example(source))
    agree(result.image, golden[name], 0)
    np.testing.assert_array_equal(result.label, golden[f"{name}_label"])


def test_in_plane_every_slice_is_moved_as_a_2d_image():
    source, patch, params = (3, 25, 26), (3, 17, 16), SpatialParams((2.5,), (1.2, 1.2))
    volume = example(source)
    moved = spatial(patch, in_plane=True).apply(volume, params)
    for z in range(3):
        flat = spatial(patch[1:]).apply(Sample(volume.image[:, z], volume.label[z]), params)
        agree(moved.image[:, z], flat.image)
        np.testing.assert_array_equal(moved.label[z], flat.label)


def test_the_size_of_the_source(golden):
    for patch, rotation, expected in json.loads(str(golden["sources"])):
        assert source_size(patch, rotation) == tuple(expected)


def test_blur(golden):
    params = {0: (0.5, 0.75, 1.0), 1: (0.9, 0.6, 0.8)}
    agree(GaussianBlur(1, 1, (0.5, 1), 3).apply(example(SIZE), params).image, golden["blur"])


def test_brightness(golden):
    agree(Brightness(1, (0.75, 1.25)).apply(example(SIZE), {0: 0.8, 1: 1.2}).image, golden["brightness"])


def test_contrast(golden):
    agree(Contrast(1, (0.75, 1.25)).apply(example(SIZE), {0: 0.8, 1: 1.2}).image, golden["contrast"])


@pytest.mark.parametrize(
    ("name", "spared", "zooms"),
    [("low_resolution", 0, {0: 0.5, 1: 0.83}), ("low_resolution_in_plane", 1, {0: 0.6, 1: 0.9})],
)
def test_low_resolution(golden, name, spared, zooms):
    transform = LowResolution(1, 1, (0.5, 1), spared, cubic=False)
    agree(transform.apply(example(SIZE), zooms).image, golden[name])


@pytest.mark.parametrize("name", ["gamma", "gamma_inverted"])
def test_gamma(golden, name):
    transform = Gamma(1, (0.7, 1.5), inverted=name == "gamma_inverted")
    agree(transform.apply(example(SIZE), {0: 0.75, 1: 1.4}).image, golden[name])


def test_gamma_leaves_a_constant_channel():
    flat = Sample(torch.full((1, 4, 4, 4), 3.0), torch.zeros(4, 4, 4, dtype=torch.int16))
    agree(Gamma(1, (0.7, 1.5), inverted=False).apply(flat, {0: 1.3}).image, np.full((1, 4, 4, 4), 3.0))


def test_noise_has_the_drawn_number_as_its_standard_deviation(golden):
    nothing = Sample(torch.zeros(2, 60, 60, 60), torch.zeros(60, 60, 60, dtype=torch.int16))
    noise = GaussianNoise(1, (0, 0.1)).apply(nothing, {0: Noise(0.1, seed=3), 1: Noise(0.1, seed=4)}).image
    assert noise.std().item() == pytest.approx(float(golden["noise_std"]), rel=0.01)
    assert noise.std().item() == pytest.approx(0.1, rel=0.01)
    assert not torch.equal(noise[0], noise[1])


def test_mask(golden):
    agree(MaskOutside((1,)).apply(example(SIZE)).image, golden["mask"], 0)


def test_mirror(golden):
    mirrored = Mirror((0, 1, 2)).apply(example(SIZE), (0, 2))
    agree(mirrored.image, golden["mirror"], 0)
    np.testing.assert_array_equal(mirrored.label, example(SIZE).label.numpy()[::-1, :, ::-1])
