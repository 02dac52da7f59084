"""Batches on a device are what the threads make of the same draws, sample by sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from nnplug.contracts import AugmentationContext, DrawnSamples
from nnplug.dataset.labels import Labels
from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.augmentation.batch import BatchPipeline
from nnplug_nnunet.augmentation.batch_resample import batch_cubic_images

LABELS = Labels({"background": (0,), "organ": (1,), "tumour": (2,)})
OFTEN = {
    "p_rotation": 0.5,
    "p_scaling": 0.5,
    **dict.fromkeys(("p_noise", "p_blur", "p_brightness", "p_contrast", "p_low_resolution"), 0.5),
    **dict.fromkeys(("p_gamma", "p_gamma_inverted", "p_additive_brightness"), 0.5),
}
PATCHES = {"3d": (14, 18, 16), "in plane": (6, 24, 26), "2d": (30, 28)}
SAMPLES, CHANNELS = 12, 2
TIES = 0.002  # of the voxels: two labels weigh the same, and rounding decides


def bind(patch, previous=(), **options):
    masked = (1,)
    context = AugmentationContext(patch, tuple(range(len(patch))), masked, LABELS, previous)
    return NnunetAugmenter(**{**OFTEN, **options}).bind(context)


def example(seed, size):
    """Smooth noise, whose label has smooth borders, and a margin of -1."""
    rng = np.random.default_rng(seed)
    image = np.stack([gaussian_filter(rng.normal(size=size), 1) for _ in range(CHANNELS)]).astype(np.float32)
    label = np.digitize(image[0], [0.0, 0.15]).astype(np.int16)
    label[:2] = -1
    return image, label


def centre(array, size):
    axes = array.ndim - len(size)
    starts = [n // 2 - s // 2 for n, s in zip(array.shape[axes:], size, strict=True)]
    return array[(..., *(slice(start, start + s) for start, s in zip(starts, size, strict=True)))]


def one_by_one(pipeline):
    results = [
        pipeline(*example(seed, pipeline.source_patch_size), np.random.default_rng(seed)) for seed in range(SAMPLES)
    ]
    return [np.stack(arrays) for arrays in zip(*results, strict=True)]


def drawn_samples(pipeline):
    for seed in range(SAMPLES):
        image, label = example(seed, pipeline.source_patch_size)
        drawn = BatchPipeline(pipeline).draw(np.random.default_rng(seed), CHANNELS)
        size = BatchPipeline(pipeline).cut_size(drawn)
        yield centre(image, size), centre(label, size), drawn


def grouped(samples):
    """The samples of a batch grouped by size, as the loader does."""
    sizes = sorted({label.shape for _, label, _ in samples})
    for size in sizes:
        chosen = {place: sample for place, sample in enumerate(samples) if sample[1].shape == size}
        images, labels, draws = zip(*chosen.values(), strict=True)
        yield DrawnSamples(tuple(chosen), *(torch.from_numpy(np.stack(a)) for a in (images, labels)), draws)


@pytest.mark.parametrize(
    "options",
    [{}, {"p_elastic": 0.5, "p_scale_per_axis": 0.5}, {"interpolation": "cubic"}],
    ids=["nnunet", "elastic", "cubic"],
)
@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_a_batch_is_its_samples(patch, options):
    pipeline = bind(patch, **options)
    images, labels = one_by_one(pipeline)
    groups = list(grouped(list(drawn_samples(pipeline))))
    assert len(groups) == 2, "some samples are moved and some are not"
    image, label = BatchPipeline(pipeline)(groups)
    assert (image.dtype, label.dtype) == (torch.float32, torch.int16)
    np.testing.assert_allclose(image.numpy(), images, atol=2e-3)
    assert np.mean(label.numpy() != labels) < TIES


def test_only_what_is_moved_needs_a_larger_patch():
    pipeline = bind(PATCHES["3d"])
    for seed in range(SAMPLES):
        drawn = BatchPipeline(pipeline).draw(np.random.default_rng(seed), CHANNELS)
        expected = pipeline.spatial.patch_size if drawn.spatial is None else pipeline.source_patch_size
        assert BatchPipeline(pipeline).cut_size(drawn) == expected


def test_where_sources_are_no_larger_than_patches_those_that_stay_stay():
    pipeline = bind(PATCHES["3d"], rotation=0.0, margin=1.0, **dict.fromkeys(set(OFTEN) - {"p_scaling"}, 0.0))
    assert pipeline.source_patch_size == PATCHES["3d"]
    pipeline = replace(pipeline, mirror=replace(pipeline.mirror, axes=()))
    (group,) = grouped(list(drawn_samples(pipeline)))
    image, label = BatchPipeline(pipeline)([group])
    stayed = [i for i, drawn in enumerate(group.draws) if drawn.spatial is None]
    assert 0 < len(stayed) < SAMPLES
    source = group.image.clone()
    source[:, 1].masked_fill_(group.label < 0, 0)
    np.testing.assert_allclose(image[stayed], source[stayed], atol=1e-5)
    assert torch.equal(label[stayed], group.label[stayed].clamp(min=0))


ERRORS = ("p_previous_morphology", "p_previous_morphology_label", "p_previous_removal", "p_previous_removal_label")


def cascade_groups(pipeline):
    """The samples of a batch with the label map of a previous stage: that of another case."""
    for group in grouped(list(drawn_samples(pipeline))):
        others = [example(50 + place, pipeline.source_patch_size)[1] for place in group.places]
        previous = np.stack([centre(other, group.label.shape[1:]) for other in others])
        yield replace(group, previous=torch.from_numpy(previous))


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_a_batch_of_a_cascade_is_its_samples(patch):
    pipeline = bind(patch, previous=(1, 2), **dict.fromkeys(ERRORS, 0.7), previous_radius=(1.0, 4.0))
    alone = [
        pipeline(
            *example(seed, pipeline.source_patch_size),
            np.random.default_rng(seed),
            previous=example(50 + seed, pipeline.source_patch_size)[1],
        )
        for seed in range(SAMPLES)
    ]
    images, labels = (np.stack(arrays) for arrays in zip(*alone, strict=True))
    image, label = BatchPipeline(pipeline)(list(cascade_groups(pipeline)))
    assert image.shape[1] == CHANNELS + 2
    np.testing.assert_allclose(image[:, :CHANNELS].numpy(), images[:, :CHANNELS], atol=2e-3)
    assert np.mean(label.numpy() != labels) < TIES
    differing = [float(np.mean(image[i, CHANNELS:].numpy() != images[i, CHANNELS:])) for i in range(SAMPLES)]
    # where a tie moves a voxel before the errors are put in, a component can be another one
    assert sorted(differing)[SAMPLES - 2] < 5 * TIES
    assert min(differing) == 0


@pytest.mark.parametrize("size", [(9, 12, 7), (16, 5), (8, 3, 20)])
def test_splines_are_scipy_s(size):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 3, *size)).astype(np.float32)
    spots = np.stack([[rng.uniform(-2, n + 1, 400) for n in size] for _ in images]).astype(np.float32)
    spots[:, :, :2] = [[0, n - 1] for n in size]  # the corners
    spots[:, :, 2:40] = spots[:, :, 2:40].round()
    pairs = zip(images, spots, strict=True)
    expected = [[map_coordinates(c, spot, order=3, mode="constant") for c in i] for i, spot in pairs]
    places = torch.from_numpy(spots).view(2, len(size), 400, *(1,) * (len(size) - 1))
    ours = batch_cubic_images(torch.from_numpy(images), places).flatten(2)
    np.testing.assert_allclose(ours.numpy(), np.stack(expected), atol=1e-4)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_nothing_leaves_the_device_or_waits_for_it(patch, interpolation):
    """The device `meta` has shapes alone: asking it for a value, or mixing it with the host's tensors, is an error."""
    # noise and elastic fields are drawn by a generator, which `meta` has not
    pipeline = bind(patch, p_noise=0.0, interpolation=interpolation)
    groups = [
        replace(group, image=group.image.to("meta"), label=group.label.to("meta"))
        for group in grouped(list(drawn_samples(pipeline)))
    ]
    image, label = BatchPipeline(pipeline)(groups)
    assert (image.device.type, label.device.type) == ("meta", "meta")
    assert (image.shape, label.shape) == ((SAMPLES, CHANNELS, *patch), (SAMPLES, *patch))


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_the_errors_of_a_cascade_neither_leave_the_device_nor_wait_for_it(patch):
    pipeline = bind(patch, previous=(1, 2), p_noise=0.0, **dict.fromkeys(ERRORS, 1.0))
    groups = [
        replace(g, image=g.image.to("meta"), label=g.label.to("meta"), previous=g.previous.to("meta"))
        for g in cascade_groups(pipeline)
    ]
    image, label = BatchPipeline(pipeline)(groups)
    assert (image.device.type, image.shape) == ("meta", (SAMPLES, CHANNELS + 2, *patch))
    assert (label.device.type, label.shape) == ("meta", (SAMPLES, *patch))
