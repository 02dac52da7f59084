"""Patch, network and batch size within the memory budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from nnplug.contracts import Topology
from nnplug.errors import NnplugError
from nnplug_nnunet.planning.topology import Pyramid, Size

MIN_BATCH_SIZE = 2


@dataclass(frozen=True)
class Fit:
    """What fits: a patch, its network and how many of them in a batch."""

    patch_size: Size
    batch_size: int
    topology: Topology


@dataclass(frozen=True)
class Fitter:
    """Finds the largest patch whose network fits the budget, then the batch size.

    Attributes:
        elements: counts the feature-map elements of one sample.
        budget: elements that the reference batch may have.
        reference_batch: the batch size that the budget is for.
        shrink_batch: the patch shrinks until so many samples fit.
        first_volume: voxels of the first patch.
        base_features: channels of the finest stage.
        max_features: channels of the coarsest stages.
        dataset_share: the largest part of the dataset's voxels in one batch.
    """

    elements: Callable[[Topology, Size], int]
    budget: float
    reference_batch: int
    shrink_batch: int
    first_volume: int
    base_features: int
    max_features: int
    dataset_share: float

    def fit(self, spacing: Sequence[float], median_shape: Sequence[float], dataset_voxels: float) -> Fit:
        """Plan one configuration.

        Args:
            spacing: per axis, mm.
            median_shape: of the images at that spacing, voxels.
            dataset_voxels: of all training cases together.

        Raises:
            NnplugError: the budget is too small for any patch.
        """
        first = first_patch(spacing, median_shape, self.first_volume)
        pyramid = Pyramid.of(spacing, first)
        patch = pyramid.pad(first)
        while (elements := self._count(pyramid, patch)) / self.reference_batch * self.shrink_batch > self.budget:
            patch, pyramid = _shrink(patch, pyramid, spacing, median_shape)
        return Fit(patch, self._batch_size(elements, patch, dataset_voxels), self._topology(pyramid))

    def _topology(self, pyramid: Pyramid) -> Topology:
        return pyramid.topology(self.base_features, self.max_features)

    def _count(self, pyramid: Pyramid, patch: Size) -> int:
        return self.elements(self._topology(pyramid), patch)

    def _batch_size(self, elements: int, patch: Size, dataset_voxels: float) -> int:
        fits = round(self.budget / elements * self.reference_batch)
        share = round(dataset_voxels * self.dataset_share / prod(patch))
        return max(min(fits, share), MIN_BATCH_SIZE)


def first_patch(spacing: Sequence[float], median_shape: Sequence[float], volume: int) -> list[float]:
    """The patch of that many voxels that covers as many mm in every axis, clipped to the median shape."""
    density = 1 / np.array(spacing, dtype=np.float64)
    side = (volume / np.prod(density)) ** (1 / len(spacing))
    return [min(max(round(n), 1), m) for n, m in zip((density * side).tolist(), map(float, median_shape), strict=True)]


def _shrink(
    patch: Size, pyramid: Pyramid, spacing: Sequence[float], median_shape: Sequence[float]
) -> tuple[Size, Pyramid]:
    """Shorten the axis that covers most of the image.

    The step is what the strides divide *after* a trial step: a shorter patch may be pooled less often.
    """
    share = [n / m for n, m in zip(patch, median_shape, strict=True)]
    axis = max(range(len(patch)), key=lambda a: (share[a], a))
    shorter = _shorter(patch, axis, pyramid.divisor)
    after = Pyramid.of(spacing, shorter)
    if after.divisor != pyramid.divisor:
        shorter = _shorter(patch, axis, after.divisor)
        after = Pyramid.of(spacing, shorter)
    if shorter[axis] < 1:
        raise NnplugError(
            f"the memory target is too small for any patch (the last had {' x '.join(map(str, patch))} voxels). "
            "Raise it with --memory-gb."
        )
    return after.pad(shorter), after


def _shorter(patch: Size, axis: int, step: Size) -> Size:
    return tuple(n - step[a] if a == axis else n for a, n in enumerate(patch))
