"""The checks of `nnplug.contracts.Augmenter`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from nnplug.contracts import Augmentation, AugmentationContext, BatchAugmentation, CascadeAugmentation, DrawnSamples
from nnplug.registry.entries import AugmenterComponent
from nnplug.runtime.seeds import generator
from nnplug.testing import samples
from nnplug.testing.check import Checks, NotChecked, Subject, require

PATCHES = {2: (16, 14), 3: (12, 16, 14)}
MASKED = 1
DRAWS = 8
"""Patches per check. A transform with a probability of 0.2 is drawn at least once with a probability of 0.8."""

TOGETHER, MOSTLY_TOGETHER = 0.9, 0.97
"""The least agreement (area under the ROC curve) of a label with an image that shows it, after augmentation: for every
patch, and for half of the patches."""
PREVIOUS_TOGETHER, PREVIOUS_SHARE = 0.75, 0.75
"""The least agreement of the previous stage's labels, which augmenters also distort, and the share of patches that
must have it."""
ROUNDING = 1e-3
"""The largest accepted difference of a patch in a batch from the same patch alone, as a share of the range."""
TIES = 0.02
"""The share of voxels in which two labels may have equal weight, so that rounding decides."""

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
    """Raise unless patches are equal in another order: they must not depend on earlier calls or other generators."""
    augmentation = _bind(subject, 3)

    def sample(draw: int) -> Sample:
        return augmentation(*samples.volume(draw, augmentation.source_patch_size), generator(0, draw))

    with _global_generators() as used:
        first = {draw: sample(draw) for draw in range(DRAWS)}
        second = {draw: sample(draw) for draw in reversed(range(DRAWS))}
        drawn = used()
    require(not drawn, f"it draws from {', '.join(drawn)}; draw from the rng that is given and nothing else")
    for draw, (image, label) in first.items():
        equal = np.array_equal(image, second[draw][0]) and np.array_equal(label, second[draw][1])
        require(equal, "the same rng gave different results; draw from the rng that is given and nothing else")


@contextmanager
def _global_generators() -> Iterator[Callable[[], list[str]]]:
    """Yield a function that names the global generators used in the block; their states are restored at its end."""
    before = _states()
    try:
        yield lambda: [name for name, state in _states().items() if state != before[name]]
    finally:
        random.setstate(before["random"])
        np.random.set_state(_numpy_state(before["numpy.random"]))
        torch.set_rng_state(torch.tensor(before["torch"], dtype=torch.uint8))


def _states() -> Mapping[str, Any]:
    numpy_state = np.random.get_state(legacy=True)
    numbers = tuple(tuple(part) if isinstance(part, np.ndarray) else part for part in numpy_state)
    return {"random": random.getstate(), "numpy.random": numbers, "torch": tuple(torch.get_rng_state().tolist())}


def _numpy_state(numbers: tuple[Any, ...]) -> tuple[str, Any, int, int, float]:
    name, keys, position, has_gauss, gauss = numbers
    return name, np.array(keys, np.uint32), position, has_gauss, gauss


def _varies(subject: Subject) -> None:
    augmentation = _bind(subject, 3)
    image, label = samples.volume(0, augmentation.source_patch_size)
    results = [augmentation(image.copy(), label.copy(), generator(0, draw)) for draw in range(2 * DRAWS)]
    same = all(
        np.array_equal(image, results[0][0]) and np.array_equal(label, results[0][1]) for image, label in results
    )
    if same:
        raise NotChecked(f"{2 * DRAWS} generators gave the same result: by default it changes nothing at random")


def _moves_together(subject: Subject, axes: int) -> None:
    """Raise unless image and label are transformed together: the image shows the label, also after augmentation."""
    augmentation = _bind(subject, axes)
    found = []
    for draw in range(4 * DRAWS):
        image, label = _shown(augmentation.source_patch_size)
        image, label = augmentation(image, label, generator(0, draw))
        if 0 < np.count_nonzero(label) < label.size:
            found.append(max(_agreement(channel, label > 0) for channel in image))
    if not found:
        raise NotChecked("no augmented patch held both foreground and background")
    for agreement, least in ((min(found), TOGETHER), (float(np.median(found)), MOSTLY_TOGETHER)):
        require(
            agreement > least,
            f"an image that shows its label agrees with it to {agreement:.2f} after augmentation (1 is entirely, 0.5 "
            f"by chance); more than {least:g} is asked. Move image and label together",
        )


def _shown(size: tuple[int, ...]) -> Sample:
    """Return a label that no mirroring or rotation maps to itself, and an image that is bright where it is 1."""
    starts = [n // 8 * (axis + 2) // 2 for axis, n in enumerate(size)]
    label = np.zeros(size, np.int16)
    label[tuple(slice(start, start + n // 2) for start, n in zip(starts, size, strict=True))] = 1
    image = np.repeat((4 * label - 1).astype(np.float32)[np.newaxis], samples.CHANNELS, axis=0)
    return image, label


def _agreement(image: samples.Image, inside: npt.NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of the intensities as a measure of being inside, or of being outside."""
    _, found, counts = np.unique(image, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[found.ravel()][inside.ravel()]  # equal values share their mean rank
    within, without = len(ranks), inside.size - len(ranks)
    area = (ranks.sum() - within * (within + 1) / 2) / (within * without)
    return float(max(area, 1 - area))


def _keeps_masked(subject: Subject) -> None:
    """Raise unless the masked channel of a patch outside the mask stays 0."""
    augmentation = _bind(subject, 3)
    for draw in range(DRAWS):
        image, label = samples.volume(draw, augmentation.source_patch_size)
        image[MASKED], label[...] = 0, -1
        result = augmentation(image, label, generator(0, draw))[0]
        require(not result[MASKED].any(), "a masked channel did not stay 0 outside the nonzero mask")


def _takes_previous(subject: Subject, axes: int) -> None:
    """Check that the previous stage's labels come as one-hot channels after the image's."""
    if not _component(subject).takes_previous_stage:
        raise NotChecked("it does not take a previous stage")
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
    agreements = [_previous_agreement(augmentation, draw) for draw in range(4 * DRAWS)]
    together = float(np.quantile(agreements, 1 - PREVIOUS_SHARE))
    require(
        together > PREVIOUS_TOGETHER,
        f"a previous stage that found the label itself agrees with it to {together:.2f} after augmentation (1 is "
        f"entirely, 0.5 by chance); more than {PREVIOUS_TOGETHER:g} is asked of {PREVIOUS_SHARE:.0%} of the samples",
    )


def _previous_agreement(augmentation: CascadeAugmentation, draw: int) -> float:
    image, label = _shown(augmentation.source_patch_size)
    image, label = augmentation(image, label, generator(0, draw), previous=label.copy())
    inside = label > 0
    return _agreement(image[samples.CHANNELS], inside) if 0 < np.count_nonzero(inside) < inside.size else 1.0


def _augments_batches(subject: Subject, axes: int) -> None:
    """Check that a batch equals its samples augmented one by one."""
    if not _component(subject).augments_batches:
        raise NotChecked("it augments no batches")
    augmentation, patch = _bind(subject, axes), PATCHES[axes]
    batched: BatchAugmentation | None = subject.create().bind_batches(_context(axes))
    if batched is None:
        raise NotChecked("it augments no batches")
    alone = [augmentation(*samples.volume(i, augmentation.source_patch_size), generator(0, i)) for i in range(DRAWS)]
    groups = [_drawn(augmentation, batched, i) for i in range(DRAWS)]
    image, label = (tensor.numpy() for tensor in batched(groups))
    for place, (expected, labels) in enumerate(alone):
        _check((image[place], label[place]), patch)
        gap = np.abs(image[place] - expected).max() / max(1.0, np.abs(expected).max())
        require(gap < ROUNDING, f"a sample of a batch differs from the same sample alone by {gap:.2g} of its range")
        share = (label[place] != labels).mean()
        require(share < TIES, f"in a batch {share:.1%} of the voxels have another label than alone")


def _augments_cascades(subject: Subject, axes: int) -> None:
    """Check that a batch with a previous stage equals its samples augmented one by one."""
    component, values = _component(subject), samples.LABELS.foreground_values
    if not (component.augments_batches and component.takes_previous_stage):
        raise NotChecked("it augments no batches with a previous stage")
    batched: BatchAugmentation | None = subject.create().bind_batches(_context(axes, values))
    if batched is None:
        raise NotChecked("it augments no batches with a previous stage")
    augmentation = cast("CascadeAugmentation", _bind(subject, axes, values))
    groups = [_drawn(augmentation, batched, i) for i in range(DRAWS)]
    image, label = (tensor.numpy() for tensor in batched([replace(g, previous=g.label.clone()) for g in groups]))
    for place in range(DRAWS):
        volume, labels = samples.volume(place, augmentation.source_patch_size)
        alone, expected = augmentation(volume, labels, generator(0, place), previous=labels.copy())
        share = (label[place] != expected).mean()
        require(
            share < TIES, f"in a batch with a previous stage {share:.1%} of the voxels have another label than alone"
        )
        share = (image[place, samples.CHANNELS :] != alone[samples.CHANNELS :]).mean()
        require(share < TIES, f"in a batch {share:.1%} of the previous stage's channels differ from those alone")


def _drawn(augmentation: Augmentation, batched: BatchAugmentation, place: int) -> DrawnSamples:
    """Return a patch of a batch, cut as by the loader."""
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
    "changes with the rng": _varies,
    "moves image and label together in 3D": partial(_moves_together, axes=3),
    "moves image and label together in 2D": partial(_moves_together, axes=2),
    "keeps masked channels 0": _keeps_masked,
    "takes a previous stage in 3D": partial(_takes_previous, axes=3),
    "takes a previous stage in 2D": partial(_takes_previous, axes=2),
    "augments batches in 3D": partial(_augments_batches, axes=3),
    "augments batches in 2D": partial(_augments_batches, axes=2),
    "augments batches with a previous stage in 3D": partial(_augments_cascades, axes=3),
    "augments batches with a previous stage in 2D": partial(_augments_cascades, axes=2),
}
