"""The checks of `nnplug.contracts.Resampler`."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from nnplug.contracts import Regrid
from nnplug.contracts.attributed.resampler import AttributedResampler
from nnplug.contracts.preprocessor.resampler import Shape, Spacing
from nnplug.plans.plans import Resampling
from nnplug.testing import samples
from nnplug.testing.check import Checks, Subject, imports_no_torch, require
from nnplug.testing.samples import Image, Label

SHAPE: Shape = (16, 32, 28)
SPACING: Spacing = (1.0, 1.0, 1.0)
GRIDS: tuple[tuple[Spacing, Spacing], ...] = (
    (SPACING, SPACING),
    (SPACING, (2.0, 1.5, 1.25)),
    (SPACING, (0.75, 0.8, 0.7)),
    ((5.0, 1.0, 1.0), (4.0, 0.75, 0.8)),
)
"""Old and new spacing, mm: the same, coarser, finer, and slices that are far apart."""

_TOLERANCE = 0.02  # of the extent of the image, for the centre of a structure
_CONSTANT = 7.0


def _agrees(subject: Subject) -> None:
    for spacing, new in GRIDS:
        _resampled(_made(subject), spacing, new)


def _leaves_arguments(subject: Subject) -> None:
    image, label = _case()
    before = image.copy(), label.copy()
    made, grids = _made(subject), _grids(subject, SPACING, (2.0, 1.5, 1.25))
    made.resample_image(image, grids)
    made.resample_label(label, grids)
    require(np.array_equal(before[0], image), "the image that was given has been changed")
    require(np.array_equal(before[1], label), "the label map that was given has been changed")
    same = _grids(subject, SPACING, SPACING)
    shared = np.shares_memory(made.resample_image(image, same), image)
    require(not shared, "on its own grid the image itself is given; give a copy, which the caller may change")


def _keeps_constant(subject: Subject) -> None:
    for spacing, new in GRIDS:
        grids = _grids(subject, spacing, new)
        result = _made(subject).resample_image(np.full((1, *SHAPE), _CONSTANT, np.float32), grids)
        off = float(np.abs(result - _CONSTANT).max())
        require(off < 1e-3, f"an image of {_CONSTANT} everywhere is off by up to {off:.3g} at {new} mm")


def _gives_own_values(subject: Subject) -> None:
    for spacing, new in GRIDS:
        _, label = _case()
        result = _made(subject).resample_label(label, _grids(subject, spacing, new))
        more = sorted(set(np.unique(result).tolist()) - set(np.unique(label).tolist()))
        require(not more, f"the label map got the values {more}, which it does not have")


def _keeps_places(subject: Subject) -> None:
    """Raise unless image and structures have their centres at the same places, relative to the extent of the image."""
    for spacing, new in GRIDS:
        before, label = _case()
        image, resampled = _resampled(_made(subject), spacing, new)
        pairs = {f"label {value}": (label == value, resampled == value) for value in (1, 2)}
        for what, (was, now) in {**pairs, "the image": (before[0], image[0])}.items():
            off = float(np.abs(np.subtract(_centre(was), _centre(now))).max())
            require(off < _TOLERANCE, f"{what} moved by {off:.3f} of the extent, from {spacing} to {new} mm")


def _is_repeatable(subject: Subject) -> None:
    first, again = (_resampled(_made(subject), SPACING, (2.0, 1.5, 1.25)) for _ in range(2))
    require(np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1]), "two calls gave other arrays")


def _is_picklable(subject: Subject) -> None:
    made = AttributedResampler(pickle.loads(pickle.dumps(subject.create())))  # noqa: S301 - pickled here
    first, again = (_resampled(one, SPACING, (2.0, 1.5, 1.25)) for one in (made, _made(subject)))
    require(np.array_equal(first[0], again[0]), "it gives another image after it was pickled")


def _resampled(made: AttributedResampler, spacing: Spacing, new: Spacing) -> tuple[Image, Label]:
    grids = Regrid(made.new_shape(SHAPE, spacing, new), spacing, new, Resampling())
    image, label = _case()
    return made.resample_image(image, grids), made.resample_label(label, grids)


def _grids(subject: Subject, spacing: Spacing, new: Spacing) -> Regrid:
    return Regrid(_made(subject).new_shape(SHAPE, spacing, new), spacing, new, Resampling())


def _made(subject: Subject) -> AttributedResampler:
    return AttributedResampler(subject.create())


def _case() -> tuple[Image, Label]:
    """Return an image (1, z, y, x) that is 1 and 2 where its label map is, and the label map."""
    _, label = samples.volume(0, SHAPE)
    return np.maximum(label, 0)[np.newaxis].astype(np.float32), label


def _centre(weights: np.typing.NDArray[Any]) -> list[float]:
    """Return the centre of mass, as a part of the extent of each axis."""
    require(weights.any(), "a structure is lost")
    planes = (np.moveaxis(weights, axis, 0).reshape(extent, -1).sum(1) for axis, extent in enumerate(weights.shape))
    return [float(np.average((np.arange(len(plane)) + 0.5) / len(plane), weights=plane)) for plane in planes]


CHECKS: Checks = {
    "imports no torch": imports_no_torch,
    "resamples images, label maps and shapes alike": _agrees,
    "leaves its arguments as they are": _leaves_arguments,
    "keeps a constant image": _keeps_constant,
    "gives values that the label map has": _gives_own_values,
    "leaves structures where they are": _keeps_places,
    "gives the same twice": _is_repeatable,
    "works in other processes": _is_picklable,
}
