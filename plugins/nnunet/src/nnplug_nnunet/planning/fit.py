"""Patch, network and batch size within the memory budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from nnplug.contracts import Topology
from nnplug.errors import NnplugError
from nnplug.remedies import Action
from nnplug_nnunet.planning.class_memory import ClassMemory
from nnplug_nnunet.planning.topology import Pyramid, Size

MIN_BATCH_SIZE = 2


@dataclass(frozen=True)
class Fit:
    """The largest configuration that fits the budget.

    Attributes:
        patch_size: voxels per axis.
        batch_size: patches per batch.
        topology: the stages of the network; None if the network decides them itself.
    """

    patch_size: Size
    batch_size: int
    topology: Topology | None


@dataclass(frozen=True)
class Fitter:
    """A search for the largest patch whose network fits the budget, and then for the batch size.

    Attributes:
        elements: returns the feature-map elements of one sample; the topology is None for a network that takes none.
        budget: elements that the reference batch may have.
        reference_batch: the batch size that the budget is for.
        shrink_batch: the patch shrinks until this number of samples fits.
        first_volume: voxels of the first patch.
        base_features: channels of the finest stage.
        max_features: channels of the coarsest stages.
        dataset_share: the largest share of the dataset's voxels in one batch.
        largest_patch: for a network that takes no topology: returns the largest patch that it takes within a limit.
        classes: the memory of the loss, which must fit too; None to leave it out, as nnU-Net does.
    """

    elements: Callable[[Topology | None, Size], int]
    budget: float
    reference_batch: int
    shrink_batch: int
    first_volume: int
    base_features: int
    max_features: int
    dataset_share: float
    largest_patch: Callable[[Sequence[int]], Size] | None = None
    classes: ClassMemory | None = None

    def fit(self, spacing: Sequence[float], median_shape: Sequence[float], dataset_voxels: float) -> Fit:
        """Plan one configuration.

        Args:
            spacing: per axis, mm.
            median_shape: median shape of the images at that spacing, voxels.
            dataset_voxels: voxels of all training cases together.

        Raises:
            NnplugError: the budget is too small for any patch.
        """
        first = first_patch(spacing, median_shape, self.first_volume)
        if self.largest_patch is not None:
            return self._fit_patch(self.largest_patch, first, median_shape, dataset_voxels)
        pyramid = Pyramid.of(spacing, first)
        patch = pyramid.pad(first)
        while self._exceeds(elements := self.elements(self._topology(pyramid), patch), patch):
            patch, pyramid = _shrink(patch, pyramid, spacing, median_shape)
        return Fit(patch, self._batch_size(elements, patch, dataset_voxels), self._topology(pyramid))

    def _fit_patch(
        self,
        largest_patch: Callable[[Sequence[int]], Size],
        first: Sequence[float],
        median_shape: Sequence[float],
        dataset_voxels: float,
    ) -> Fit:
        """Shrink the patch of a network that decides its stages itself."""
        patch = largest_patch([max(1, round(n)) for n in first])
        while self._exceeds(elements := self.elements(None, patch), patch):
            axis = _axis_to_shorten(patch, median_shape)
            if patch[axis] == 1:
                raise _too_small(patch)
            patch = largest_patch(_shorter(patch, axis, (1,) * len(patch)))
        return Fit(patch, self._batch_size(elements, patch, dataset_voxels), None)

    def _topology(self, pyramid: Pyramid) -> Topology:
        return pyramid.topology(self.base_features, self.max_features)

    def _exceeds(self, elements: int, patch: Size) -> bool:
        if elements / self.reference_batch * self.shrink_batch > self.budget:
            return True
        return self.classes is not None and self.classes.exceeds(elements, patch, self.shrink_batch)

    def _batch_size(self, elements: int, patch: Size, dataset_voxels: float) -> int:
        fits = round(self.budget / elements * self.reference_batch)
        share = round(dataset_voxels * self.dataset_share / prod(patch))
        batch_size = max(min(fits, share), MIN_BATCH_SIZE)
        while batch_size > MIN_BATCH_SIZE and self.classes and self.classes.exceeds(elements, patch, batch_size):
            batch_size -= 1
        return batch_size


def first_patch(spacing: Sequence[float], median_shape: Sequence[float], volume: int) -> list[float]:
    """Return the patch of `volume` voxels with equal length in mm along every axis, clipped to the median shape."""
    density = 1 / np.array(spacing, dtype=np.float64)
    side = (volume / np.prod(density)) ** (1 / len(spacing))
    return [min(max(round(n), 1), m) for n, m in zip((density * side).tolist(), map(float, median_shape), strict=True)]


def _shrink(
    patch: Size, pyramid: Pyramid, spacing: Sequence[float], median_shape: Sequence[float]
) -> tuple[Size, Pyramid]:
    """Shorten the axis along which the patch covers most of the image.

    The step is the divisor *after* a trial step, because a shorter patch may have fewer poolings.
    """
    axis = _axis_to_shorten(patch, median_shape)
    shorter = _shorter(patch, axis, pyramid.divisor)
    after = Pyramid.of(spacing, shorter)
    if after.divisor != pyramid.divisor:
        shorter = _shorter(patch, axis, after.divisor)
        after = Pyramid.of(spacing, shorter)
    if shorter[axis] < 1:
        raise _too_small(patch)
    return after.pad(shorter), after


def _axis_to_shorten(patch: Size, median_shape: Sequence[float]) -> int:
    """Return the axis along which the patch covers most of the image; on a tie the last."""
    share = [n / m for n, m in zip(patch, median_shape, strict=True)]
    return max(range(len(patch)), key=lambda a: (share[a], a))


def _too_small(patch: Size) -> NnplugError:
    return NnplugError(
        f"the memory target is too small for any patch (the last had {' x '.join(map(str, patch))} voxels)",
        Action.PLAN_WITH_MORE_MEMORY(),
    )


def _shorter(patch: Size, axis: int, step: Size) -> Size:
    return tuple(n - step[a] if a == axis else n for a, n in enumerate(patch))
