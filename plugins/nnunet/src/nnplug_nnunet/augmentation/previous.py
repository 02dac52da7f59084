"""Artificial errors in the previous stage's label map, so that a cascade does not learn to copy it.

nnU-Net changes one-hot channels. Its operations leave at most one channel set per voxel, so a change of the label map
is equivalent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

from nnplug_nnunet.augmentation.sample import Range, Sample, happens

Operator = Literal["dilate", "erode", "open", "close"]
OPERATORS: tuple[Operator, ...] = ("dilate", "erode", "open", "close")
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Operation:
    """A morphological operation on the voxels of one label.

    Attributes:
        label: the label value.
        operator: the operation.
        radius: radius of the ball, voxels; any number from 1.
    """

    label: int
    operator: Operator
    radius: float


@dataclass(frozen=True)
class Morphology:
    """Dilation, erosion, opening or closing of some labels, one after the other in random order.

    Attributes:
        p: probability per sample.
        p_label: probability per label of such a sample.
        radius: range of the radius, voxels.
        labels: the labels to choose from.
    """

    p: float
    p_label: float
    radius: Range
    labels: tuple[int, ...]

    def draw(self, rng: np.random.Generator, channels: int) -> tuple[Operation, ...] | None:  # noqa: ARG002
        """Draw the operations in their order."""
        if not happens(rng, self.p):
            return None
        chosen = [int(label) for label in rng.permutation(self.labels) if happens(rng, self.p_label)]
        return tuple(
            Operation(label, OPERATORS[rng.integers(len(OPERATORS))], float(rng.uniform(*self.radius)))
            for label in chosen
        )

    def apply(self, sample: Sample, params: tuple[Operation, ...]) -> Sample:
        """Change the label map in place; a voxel that one label gains, the others lose."""
        assert sample.previous is not None  # drawn in cascades only
        labels = sample.previous.numpy()
        for operation in params:
            _operate(labels, operation)
        return sample


@dataclass(frozen=True)
class ComponentRemoval:
    """Removal of one connected component of some labels.

    Attributes:
        p: probability per sample.
        p_label: probability per label of such a sample.
        largest: only components below this share of the patch are removed.
        labels: the labels to choose from.
    """

    p: float
    p_label: float
    largest: float
    labels: tuple[int, ...]

    def draw(self, rng: np.random.Generator, channels: int) -> dict[int, float] | None:  # noqa: ARG002
        """Draw label -> relative index of its component: 0 is the first, just below 1 is the last."""
        if not happens(rng, self.p):
            return None
        return {label: float(rng.random()) for label in self.labels if happens(rng, self.p_label)}

    def apply(self, sample: Sample, params: dict[int, float]) -> Sample:
        """Change the label map in place."""
        assert sample.previous is not None  # drawn in cascades only
        labels = sample.previous.numpy()
        for label, which in params.items():
            components, _ = ndimage.label(labels == label, ndimage.generate_binary_structure(labels.ndim, labels.ndim))
            sizes = np.bincount(components.ravel())
            small = np.flatnonzero(sizes[1:] < self.largest * labels.size) + 1
            if len(small):
                labels[components == small[int(which * len(small))]] = 0
        return sample


def ball(radius: float, axes: int) -> Mask:
    """Return nnU-Net's ball as a mask of int(2 radius + 1) voxels per axis.

    The voxels are spread evenly from -radius to radius, also if their number is even.
    """
    size = int(2 * radius + 1)
    line = np.arange(size) * (2 * radius / (size - 1)) - radius
    squares = [(line**2).reshape([-1 if axis == other else 1 for other in range(axes)]) for axis in range(axes)]
    return np.asarray(sum(squares) <= radius**2)


def _operate(labels: npt.NDArray[np.int16], operation: Operation) -> None:
    mask = labels == operation.label
    if not mask.any():
        return
    element = ball(operation.radius, labels.ndim)
    box = _around(mask, 2 * len(element))
    before = mask[box]
    after = morph(before, operation.operator, element)
    part = labels[box]
    part[before & ~after] = 0
    part[after & ~before] = operation.label


def _around(mask: Mask, margin: int) -> tuple[slice, ...]:
    """Return the bounding box of a mask, with a margin that no operation exceeds."""
    (found,) = ndimage.find_objects(mask.astype(np.uint8))
    return tuple(slice(max(0, side.start - margin), side.stop + margin) for side in found)


def morph(mask: Mask, operator: Operator, element: Mask) -> Mask:
    """Apply an operator to a mask (*size); for erosion, voxels outside the array count as set."""
    if operator == "dilate":
        return _dilate(mask, element)
    if operator == "erode":
        return ~_dilate(~mask, element)
    if operator == "open":
        return _dilate(~_dilate(~mask, element), element)
    return ~_dilate(~_dilate(mask, element), element)


def _dilate(mask: Mask, element: Mask) -> Mask:
    """Dilate by Fourier transforms: balls of hundreds of voxels cost no more than small ones."""
    size = len(element)
    padded = np.pad(mask, ((size - 1) // 2, size // 2)).astype(np.float32)
    turned = element[(slice(None, None, -1),) * element.ndim].astype(np.float32)
    return np.asarray(signal.fftconvolve(padded, turned, mode="valid") > 0.5)
