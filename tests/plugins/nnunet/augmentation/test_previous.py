"""Faults in the previous stage's label map: nnU-Net's results with fixed parameters (bench/oracle/cascade.py), its
probabilities, and how the map goes through the pipeline."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest

from nnplug.contracts import AugmentationContext
from nnplug.dataset.labels import Labels
from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.augmentation.previous import OPERATORS, ComponentRemoval, Morphology, Operation, ball
from nnplug_nnunet.augmentation.sample import Sample
from nnplug_nnunet.augmentation.spatial import Mirror

GOLDEN = np.load(Path(__file__).parent / "golden" / "cascade.npz")
LABELS = Labels({"background": (0,), "organ": (1,), "tumour": (2,)})
SINGLE = [name for name in GOLDEN.files if "_" in name]
DRAWS = 4000
NEVER = {
    f"p_{name}": 0.0
    for name in ("rotation", "scaling", "noise", "blur", "brightness", "contrast", "low_resolution", "gamma")
} | {"p_gamma_inverted": 0.0, "p_previous_morphology": 0.0, "p_previous_removal": 0.0}


def blobs(shape=(20, 24, 22)):
    """Three labels that touch each other and the border."""
    noise = np.random.RandomState(5).normal(size=(4, *shape))
    return np.stack([gaussian_filter(channel, 1.7) for channel in noise]).argmax(0).astype(np.int16)


def changed(transform, labels, params):
    sample = Sample(torch.zeros(1, *labels.shape), torch.zeros(labels.shape, dtype=torch.int16), torch.tensor(labels))
    return transform.apply(sample, params).previous.numpy()


@pytest.mark.parametrize("name", SINGLE)
def test_morphology(name):
    operator, radius = name.split("_")
    result = changed(Morphology(1, 1, (1, 8), (1, 2, 3)), blobs(), (Operation(2, operator, float(radius)),))
    np.testing.assert_array_equal(result, GOLDEN[name])


def test_several_labels_one_after_the_other():
    steps = (Operation(3, "dilate", 2.2), Operation(1, "close", 3.4), Operation(2, "open", 1.5))
    result = changed(Morphology(1, 1, (1, 8), (1, 2, 3)), blobs(), steps)
    np.testing.assert_array_equal(result, GOLDEN["several"])


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_label_that_is_absent_changes_nothing(operator):
    labels = blobs()
    transform = Morphology(1, 1, (1, 8), (1, 2, 7))
    np.testing.assert_array_equal(changed(transform, labels, (Operation(7, operator, 3.0),)), labels)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_small_object_is_changed_as_in_a_small_image(operator):
    """Only the surroundings of the object are computed; the rest of a large image must not matter."""
    small = np.pad(blobs((9, 8, 10)), 40)
    params = (Operation(2, operator, 5.3),)
    transform = Morphology(1, 1, (1, 8), (1, 2, 3))
    whole = changed(transform, small, params)
    np.testing.assert_array_equal(
        whole[20:-20, 20:-20, 20:-20], changed(transform, small[20:-20, 20:-20, 20:-20], params)
    )


def test_a_ball_of_a_whole_radius_is_the_usual_one():
    z, y, x = np.mgrid[-3:4, -3:4, -3:4]
    np.testing.assert_array_equal(ball(3.0, 3), z**2 + y**2 + x**2 <= 9)
    assert ball(2.0, 2).shape == (5, 5)
    assert ball(2.7, 3).shape == (6, 6, 6)


def test_removal_takes_a_component_that_is_small_enough():
    labels = np.zeros((10, 10, 10), np.int16)
    labels[:4], labels[5:7, 5:7, 5:7], labels[7:, 7:, 7:] = 1, 3, 3
    labels[5:, :8, :4] = 2
    labels[9, 9, 0] = 2
    transform = ComponentRemoval(1, 1, 0.15, (1, 2, 3))
    result = changed(transform, labels, {1: 0.99, 2: 0.99, 3: 0.99})
    np.testing.assert_array_equal(result, GOLDEN["removal"])


def test_which_component_is_removed_is_even():
    labels = np.zeros((1, 1, 9), np.int16)
    labels[0, 0, ::2] = 1
    transform = ComponentRemoval(1, 1, 0.15, (1,))
    gone = [
        int(np.flatnonzero(labels - changed(transform, labels, {1: which}))[0]) for which in np.linspace(0, 0.999, 50)
    ]
    assert Counter(gone) == dict.fromkeys((0, 2, 4, 6, 8), 10)


def transforms(labels=(1, 2)):
    return bind((32, 32, 32), previous_labels=labels).previous


def bind(patch, *, previous_labels=(1, 2), mirror=(), **options):
    return NnunetAugmenter(**options).bind(AugmentationContext(patch, mirror, (), LABELS, previous_labels))


def draws(transform):
    rng = np.random.default_rng(1)
    return [transform.draw(rng, 1) for _ in range(DRAWS)]


def test_morphology_is_drawn_as_nnunet_draws_it():
    drawn = draws(transforms()[0])
    happened = [d for d in drawn if d is not None]
    assert len(happened) / DRAWS == pytest.approx(0.4, abs=0.03)
    operations = [operation for d in happened for operation in d]
    assert len(operations) / len(happened) / 2 == pytest.approx(0.5, abs=0.04)
    for counts in (Counter(o.operator for o in operations), Counter(o.label for o in operations)):
        shares = np.array(list(counts.values())) / len(operations)
        np.testing.assert_allclose(shares, 1 / len(counts), atol=0.04)
    radii = [o.radius for o in operations]
    assert kstest(radii, "uniform", (1, 7)).pvalue > 1e-3
    both = [d[0].label for d in happened if len(d) == 2]
    assert Counter(both)[1] / len(both) == pytest.approx(0.5, abs=0.08)


def test_removal_is_drawn_as_nnunet_draws_it():
    removal = transforms()[1]
    assert removal.largest == 0.15
    drawn = draws(removal)
    happened = [d for d in drawn if d is not None]
    assert len(happened) / DRAWS == pytest.approx(0.2, abs=0.025)
    assert sum(map(len, happened)) / len(happened) / 2 == pytest.approx(0.5, abs=0.04)
    assert kstest([which for d in happened for which in d.values()], "uniform").pvalue > 1e-3


@pytest.mark.parametrize("patch", [(16, 18, 20), (4, 20, 22), (20, 22)])
def test_the_map_moves_as_the_label_does(patch):
    """The same map as label and as previous prediction stays the same through rotation, scaling and mirroring."""
    options = {**NEVER, "p_rotation": 1.0, "p_scaling": 1.0}
    pipeline = bind(patch, mirror=tuple(range(len(patch))), **options)
    source = pipeline.source_patch_size
    label = np.random.default_rng(0).integers(-1, 3, source).astype(np.int16)
    for draw in range(4):
        image = np.random.default_rng(1).normal(size=(2, *source)).astype(np.float32)
        inputs, target = pipeline(image, label.copy(), np.random.default_rng(draw), previous=label.copy())
        assert inputs.shape == (4, *patch)
        np.testing.assert_array_equal(inputs[2:], np.stack([target == 1, target == 2]))


def test_the_image_and_label_are_those_without_a_previous_stage():
    pipeline = bind((16, 18, 20), mirror=(0, 1, 2))
    plain = bind((16, 18, 20), mirror=(0, 1, 2), previous_labels=())
    source = pipeline.source_patch_size
    rng = np.random.default_rng(0)
    image, label = rng.normal(size=(2, *source)).astype(np.float32), rng.integers(-1, 3, source).astype(np.int16)
    for draw in range(8):
        alone = plain(image.copy(), label.copy(), np.random.default_rng(draw))
        both = pipeline(image.copy(), label.copy(), np.random.default_rng(draw), previous=label.copy())
        np.testing.assert_array_equal(both[0][:2], alone[0])
        np.testing.assert_array_equal(both[1], alone[1])


def test_the_crop_takes_the_same_centre():
    pipeline = bind((6, 6, 6), **NEVER)
    previous = np.random.default_rng(0).integers(0, 3, pipeline.source_patch_size).astype(np.int16)
    image = previous[None].astype(np.float32)
    inputs, _ = pipeline(image, previous.copy(), np.random.default_rng(0), previous=previous)
    np.testing.assert_array_equal(inputs[1], inputs[0] == 1)
    np.testing.assert_array_equal(inputs[2], inputs[0] == 2)


def test_mirroring_turns_all():
    label = torch.tensor(blobs((4, 5, 6)))
    mirrored = Mirror((0, 1, 2)).apply(Sample(label[None].float(), label, label + 1), (0, 2))
    assert torch.equal(mirrored.previous, torch.flip(label + 1, (0, 2)))
    assert torch.equal(mirrored.image[0], mirrored.label.float())
