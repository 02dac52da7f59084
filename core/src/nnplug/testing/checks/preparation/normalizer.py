"""The checks of `nnplug.contracts.Normalizer`."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt

from nnplug.contracts import Normalizer
from nnplug.errors import NnplugError
from nnplug.testing import samples
from nnplug.testing.check import Checks, NotChecked, Subject, require


def _without_mask(subject: Subject) -> None:
    image = samples.volume(0)[0][0]
    first, again = (_normalized(subject.create(), image, mask=None) for _ in range(2))
    require(
        np.ptp(first) > 0,
        f"an image from {image.min():g} to {image.max():g} came back with one value, {first[0, 0, 0]:g}",
    )
    require(np.array_equal(first, again), "the same image came back with other values the second time")


def _with_mask(subject: Subject) -> None:
    normalizer = subject.create()
    image, label = samples.volume(0)
    inside = label >= 0
    result = _normalized(normalizer, image[0], inside)
    if normalizer.zeroes_outside_mask:
        require(not result[~inside].any(), "zeroes_outside_mask is True, but voxels outside the mask are not 0")


def _heeds_mask(subject: Subject) -> None:
    """Raise if values outside the mask change the result inside, for a normalizer that zeroes the outside."""
    normalizer = subject.create()
    if not normalizer.zeroes_outside_mask:
        raise NotChecked("zeroes_outside_mask is False, so that it may use or ignore a mask")
    image, label = samples.volume(0)
    inside = label >= 0
    other = np.where(inside, image[0], np.float32(120))
    plain, changed = (_normalized(normalizer, one, inside)[inside] for one in (image[0], other))
    require(np.array_equal(plain, changed), "values outside the mask changed the result inside")


def _constant(subject: Subject) -> None:
    _normalized(subject.create(), np.full(samples.SHAPE, 7, np.float32), mask=None)


def _no_statistics(subject: Subject) -> None:
    with suppress(NnplugError):
        subject.create().normalize(samples.volume(0)[0][0], None, None)


def _says_what_it_zeroes(subject: Subject) -> None:
    value = getattr(subject.entry.load(), "zeroes_outside_mask", None)
    require(isinstance(value, bool), f"zeroes_outside_mask of the class is {value!r}; it must be True or False")


def _normalized(normalizer: Normalizer, image: samples.Image, mask: npt.NDArray[np.bool_] | None) -> samples.Image:
    result = normalizer.normalize(image.copy(), mask, samples.STATISTICS)
    require(result.shape == image.shape, f"an image of shape {image.shape} came back with shape {result.shape}")
    require(result.dtype == np.float32, f"the image came back as {result.dtype}; it must be float32")
    require(np.isfinite(result).all(), "the image came back with values that are not finite")
    return result


CHECKS: Checks = {
    "says what it zeroes": _says_what_it_zeroes,
    "normalises a whole image": _without_mask,
    "normalises inside a mask": _with_mask,
    "looks inside the mask alone": _heeds_mask,
    "normalises an image of one value": _constant,
    "works without statistics, or refuses": _no_statistics,
}
