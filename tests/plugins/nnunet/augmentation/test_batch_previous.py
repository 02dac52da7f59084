"""Errors of a previous stage on a device are those of scipy's functions on a CPU, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from nnplug_nnunet.augmentation.batch_previous import first_voxels, operate, remove_components
from nnplug_nnunet.augmentation.previous import ComponentRemoval, Morphology
from nnplug_nnunet.augmentation.sample import Sample

VALUES = (1, 2, 3)
SHAPES = {"3d": (20, 24, 22), "2d": (40, 44)}


def blobs(shape, seed):
    """Three labels that touch each other and the border, and slices outside the image."""
    noise = np.random.default_rng(seed).normal(size=(4, *shape))
    labels = np.stack([ndimage.gaussian_filter(channel, 1.7) for channel in noise]).argmax(0).astype(np.int16)
    labels[:2] = -1
    return labels


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("seed", range(6))
def test_the_same_draws_give_the_same_label_map(shape, seed):
    morphology, removal = Morphology(1, 0.7, (1, 8), VALUES), ComponentRemoval(1, 0.8, 0.15, VALUES)
    rng = np.random.default_rng(seed)
    operations, removed = morphology.draw(rng, 1), removal.draw(rng, 1)
    sample = Sample(torch.zeros(1, *shape), torch.zeros(shape), torch.from_numpy(blobs(shape, seed)))
    expected = removal.apply(morphology.apply(sample, operations), removed).previous
    labels = torch.from_numpy(blobs(shape, seed))
    operate(labels, operations)
    remove_components(labels, removed, removal)
    assert torch.equal(labels, expected)
    assert not torch.equal(labels, torch.from_numpy(blobs(shape, seed)))


def test_without_a_small_component_nothing_is_removed():
    labels = torch.ones(6, 7, dtype=torch.int16)
    remove_components(labels, {1: 0.5, 2: 0.0}, ComponentRemoval(1, 1, 0.15, VALUES))
    assert (labels == 1).all()


def noise(share, shape=(24, 40, 36)):
    return np.random.default_rng(0).random(shape) < share


def serpentine(size=200):
    """One path through the whole mask, whose ends are far apart."""
    mask = np.zeros((size, size + 1), bool)
    mask[::2] = True
    for number, row in enumerate(range(1, size, 2)):
        mask[row, -1 if number % 2 == 0 else 0] = True
    return mask


MASKS = {
    "none": np.zeros((5, 6), bool),
    "all": np.ones((5, 6, 7), bool),
    "sparse": noise(0.05),
    "at the threshold": noise(0.1),
    "dense": noise(0.6),
    "noise in 2d": noise(0.407, (128, 128)),
    "serpentine": serpentine(),
    "turned": serpentine().T.copy(),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_components_are_scipy_s(mask):
    components, _ = ndimage.label(mask, np.ones((3,) * mask.ndim))
    numbers, firsts = np.unique(components, return_index=True)
    of_number = dict(zip(numbers.tolist(), firsts.tolist(), strict=True))
    expected = [of_number[number] if number else place for place, number in enumerate(components.ravel().tolist())]
    assert first_voxels(torch.from_numpy(mask)).tolist() == expected
