"""The checks of `nnplug.contracts.Augmenter`."""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np
import torch

from nnplug.contracts import Augmentation, AugmentationContext, BatchAugmentation, CascadeAugmentation, DrawnSamples
from nnplug.registry.entries import AugmenterComponent
from nnplug.runtime.seeds import generator
from nnplug.testing import samples
from nnplug.testing.check import Checks, Subject, require

PATCHES = {2: (16, 14), 3: (12, 16, 14)}
MASKED = 1
DRAWS = 8
"""Samples per check: transforms that are drawn with a probability of 0.2 are met with one of 0.8."""

ROUNDING = 1e-3
"""Of the range: what a sample of a batch may differ from the same sample alone."""
TIES = 0.02
"""Share of voxels in which two labels may weigh the same, so that rounding decides."""

Sample = tuple[samples.Image, samples.Label]


def _augments(subject: Subject, axes: int) -> None:
    augmentation, patch = _bind(subject, axes), PATCHES[axes]
    source = tuple(augmentation.source_patch_size)
    fits = len(source) == axes and all(s >= p for s, p in zip(source, patch, strict=True))
    require(fits, f"source_patch_size {source} is smaller than the patch {patch}")
    for draw in range(DRAWS):
        _check(augmentation(*samples.volume(draw, source), generator(0, draw)), patch)


def _check(sample: Sample, patch: tuple[int, ...]) -> None:
    image, label = sample
    expected = (samples.CHANNELS, *patch)
    require(image.shape == expected, f"the image came back with shape {image.shape}, not {expected}")
    require(label.shape == patch, f"the label came back with shape {label.shape}, not {patch}")
    require(image.dtype == np.float32, f"the image came back as {image.dtype}; it must be float32")
    require(label.dtype == np.int16, f"the label came back as {label.dtype}; it must be int16")
    require(np.isfinite(image).all(), "the image came back with values that are not finite")
    values = sorted(set(np.unique(label).tolist()) - set(samples.LABELS.all_values))
    require(-1 not in values, "-1 is still in the label; it must have become 0")
    require(not values, f"the label came back with the new values {values}")


def _is_deterministic(subject: Subject) -> None:
    augmentation = _bind(subject, 3)
    for draw in range(DRAWS):
        first, second = (
            augmentation(*samples.volume(draw, augmentation.source_patch_size), generator(0, draw)) for _ in range(2)
        )
        equal = np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])
        require(equal, "the same rng gave different results; draw from the rng that is given and nothing else")


def _keeps_masked(subject: Subject) -> None:
    """A patch from outside the mask alone: its masked channel is 0 and must stay so."""
    augmentation = _bind(subject, 3)
    for draw in range(DRAWS):
        image, label = samples.volume(draw, augmentation.source_patch_size)
        image[MASKED], label[...] = 0, -1
        result = augmentation(image, label, generator(0, draw))[0]
        require(not result[MASKED].any(), "a masked channel did not stay 0 outside the nonzero mask")


def _takes_previous(subject: Subject, axes: int) -> None:
    """Check that the previous stage's labels come as one-hot channels after the image's."""
    if not _component(subject).takes_previous_stage:
        return
    values = samples.LABELS.foreground_values
    augmentation, patch = cast("CascadeAugmentation", _bind(subject, axes, values)), PATCHES[axes]
    for draw in range(DRAWS):
        image, label = samples.volume(draw, augmentation.source_patch_size)
        image, label = augmentation(image, label, generator(0, draw), previous=label.copy())
        expected = (samples.CHANNELS + len(values), *patch)
        require(image.shape == expected, f"with a previous stage the image has shape {image.shape}, not {expected}")
        _check((image[: samples.CHANNELS], label), patch)
        found = set(np.unique(image[samples.CHANNELS :]).tolist())
        require(found <= {0.0, 1.0}, f"the channels of the previous stage hold {sorted(found)}; they are 0 or 1")


def _augments_batches(subject: Subject, axes: int) -> None:
    """Check that a batch equals its samples augmented one by one."""
    if not _component(subject).augments_batches:
        return
    augmentation, patch = _bind(subject, axes), PATCHES[axes]
    batched: BatchAugmentation | None = subject.create().bind_batches(_context(axes))
    if batched is None:
        return
    alone = [augmentation(*samples.volume(i, augmentation.source_patch_size), generator(0, i)) for i in range(DRAWS)]
    groups = [_drawn(augmentation, batched, i) for i in range(DRAWS)]
    image, label = (tensor.numpy() for tensor in batched(groups))
    for place, (expected, labels) in enumerate(alone):
        _check((image[place], label[place]), patch)
        gap = np.abs(image[place] - expected).max() / max(1.0, np.abs(expected).max())
        require(gap < ROUNDING, f"a sample of a batch differs from the same sample alone by {gap:.2g} of its range")
        share = (label[place] != labels).mean()
        require(share < TIES, f"in a batch {share:.1%} of the voxels have another label than alone")


def _drawn(augmentation: Augmentation, batched: BatchAugmentation, place: int) -> DrawnSamples:
    """A sample of a batch, cut as the loader would cut it."""
    drawn = batched.draw(generator(0, place), samples.CHANNELS)
    source = augmentation.source_patch_size
    size = tuple(batched.cut_size(drawn))
    image, label = samples.volume(place, source)
    starts = [whole // 2 - part // 2 for whole, part in zip(source, size, strict=True)]
    box = tuple(slice(start, start + part) for start, part in zip(starts, size, strict=True))
    inner = torch.from_numpy(image[:, *box].copy()), torch.from_numpy(label[box].copy())
    return DrawnSamples((place,), inner[0][None], inner[1][None], (drawn,))


def _bind(subject: Subject, axes: int, previous_labels: tuple[int, ...] = ()) -> Augmentation:
    augmentation: Augmentation = subject.create().bind(_context(axes, previous_labels))
    return augmentation


def _context(axes: int, previous_labels: tuple[int, ...] = ()) -> AugmentationContext:
    return AugmentationContext(PATCHES[axes], tuple(range(axes)), (MASKED,), samples.LABELS, previous_labels)


def _component(subject: Subject) -> AugmenterComponent:
    component = subject.entry.component
    assert isinstance(component, AugmenterComponent)  # the kit chooses checks by kind
    return component


CHECKS: Checks = {
    "augments 3D patches": partial(_augments, axes=3),
    "augments 2D patches": partial(_augments, axes=2),
    "draws from the rng alone": _is_deterministic,
    "keeps masked channels 0": _keeps_masked,
    "takes a previous stage in 3D": partial(_takes_previous, axes=3),
    "takes a previous stage in 2D": partial(_takes_previous, axes=2),
    "augments batches in 3D": partial(_augments_batches, axes=3),
    "augments batches in 2D": partial(_augments_batches, axes=2),
}
