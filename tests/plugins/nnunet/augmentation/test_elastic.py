"""Elastic deformation: batchgenerators' displacement, drawn from the generator that is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batchgenerators.augmentations import utils
from scipy.stats import kstest

from nnplug_nnunet.augmentation.elastic import Elastic
from nnplug_nnunet.augmentation.sample import Sample
from nnplug_nnunet.augmentation.spatial import SpatialParams, SpatialTransform

SIZES = [(16, 20, 12), (24, 18)]


def noises(elastic, size):
    rng = np.random.default_rng(elastic.seed)
    return [rng.random(size, np.float32) for _ in size]


def by_batchgenerators(elastic, size, monkeypatch):
    """Coordinates (axes, *size) around their centre, of the same noise."""
    noise = iter(noises(elastic, size))
    monkeypatch.setattr(np.random, "random", lambda shape: next(noise))
    mesh = utils.create_zero_centered_coordinate_mesh(size)
    moved = utils.elastic_deform_coordinates_2(mesh, list(elastic.sigmas), list(elastic.magnitudes))
    return moved - moved.mean(axis=tuple(range(1, moved.ndim)), keepdims=True)


@pytest.mark.parametrize("size", SIZES)
def test_displacements_are_those_of_batchgenerators(size, monkeypatch):
    elastic = Elastic.draw(np.random.default_rng(5), (0.1, 0.25), size)
    ours = np.stack([o.numpy() for o in elastic.offsets(size)])
    mesh = utils.create_zero_centered_coordinate_mesh(size)
    np.testing.assert_allclose(ours, by_batchgenerators(elastic, size, monkeypatch) - mesh, atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_a_device_computes_the_same_displacements(size):
    elastic = Elastic.draw(np.random.default_rng(5), (0.1, 0.25), size)
    field = elastic.field(size, torch.device("cpu"))
    assert field.dtype == torch.float32
    np.testing.assert_allclose(field.numpy(), np.stack([o.numpy() for o in elastic.offsets(size)]), atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_a_deformed_and_scaled_image_is_that_of_batchgenerators(size, monkeypatch):
    source = tuple(n + 5 for n in size)
    rng = np.random.default_rng(1)
    image = np.cumsum(rng.normal(size=source), axis=0).astype(np.float32)
    label = (image > 0).astype(np.int16)
    elastic = Elastic.draw(rng, (0.15, 0.2), size)
    spatial = SpatialTransform(
        patch_size=size,
        in_plane=False,
        rotation=0,
        p_rotation=0,
        scaling=(1, 1),
        p_scaling=0,
        p_scale_per_axis=0,
        interpolation="cubic",
    )
    sample = Sample(torch.from_numpy(image[None]), torch.from_numpy(label))
    ours = spatial.apply(sample, SpatialParams((), (1.2,) * len(size), elastic))
    coordinates = 1.2 * by_batchgenerators(elastic, size, monkeypatch)
    coordinates += np.reshape([n / 2 - 0.5 for n in source], (-1, *[1] * len(size)))
    expected = utils.interpolate_img(image, coordinates, order=3, mode="constant", cval=0)
    np.testing.assert_allclose(ours.image[0].numpy(), expected, atol=2e-3)
    labels = utils.interpolate_img(label, coordinates, order=1, mode="constant", cval=-1, is_seg=True)
    inside = (labels >= 0) & (ours.label.numpy() >= 0)  # within a voxel of the border the two define -1 differently
    assert inside.mean() > 0.8
    assert np.mean((ours.label.numpy() != labels)[inside]) < 0.001


def test_the_largest_displacement_is_the_magnitude_about_the_mean():
    elastic = Elastic((3.0, 3.0, 3.0), (2.0, 1.0, 0.5), seed=4)
    for offset, magnitude in zip(elastic.offsets((20, 20, 20)), elastic.magnitudes, strict=True):
        assert offset.dtype == torch.float32
        assert abs(float(offset.mean())) < 1e-5
        assert float(offset.abs().max()) == pytest.approx(magnitude, rel=0.3)


def test_smoothing_and_magnitudes_are_drawn_from_their_ranges():
    rng = np.random.default_rng(0)
    drawn = [Elastic.draw(rng, (0.0, 0.25), (64, 32)) for _ in range(2000)]
    scales = np.array([np.divide(e.sigmas, (64, 32)) for e in drawn])
    assert np.allclose(scales[:, 0], scales[:, 1])
    assert kstest(scales[:, 0], "uniform", (0, 0.25)).pvalue > 1e-3
    shares = np.array([np.divide(e.magnitudes, e.sigmas) for e in drawn])
    for axis in range(2):
        assert kstest(shares[:, axis], "uniform", (1 / 8, 3 / 8)).pvalue > 1e-3


def test_the_same_seed_deforms_the_same_way():
    elastic = Elastic((2.0, 2.0), (1.0, 1.0), seed=9)
    first, second = elastic.offsets((12, 12)), elastic.offsets((12, 12))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])
