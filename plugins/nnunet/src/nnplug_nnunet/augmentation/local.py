"""Transforms of a part of some channels: blank boxes, and brightness and gamma around a place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import torch

from nnplug_nnunet.augmentation.sample import Range, happens
from nnplug_nnunet.augmentation.some_channels import SomeChannels

_SMALL = 1e-8
Box = tuple[tuple[int, int], ...]
"""First voxel and the one after the last, per axis."""


@dataclass(frozen=True)
class BlankBoxes(SomeChannels[tuple[Box, ...]]):
    """Boxes of some channels get the mean of their voxels.

    Attributes:
        patch_size: voxels per axis.
        counts: smallest and largest number of boxes.
        shares: smallest and largest extent of a box per axis, relative to the patch; at least a voxel, and the largest
            is not reached.
    """

    patch_size: tuple[int, ...]
    counts: tuple[int, int]
    shares: Range

    def value(self, rng: np.random.Generator) -> tuple[Box, ...]:
        """Draw the boxes of one channel."""
        count = int(rng.integers(self.counts[0], self.counts[1] + 1))
        return tuple(tuple(self._extent(rng, size) for size in self.patch_size) for _ in range(count))

    def _extent(self, rng: np.random.Generator, size: int) -> tuple[int, int]:
        least = max(1, int(size * self.shares[0]))
        extent = int(rng.integers(least, max(least + 1, int(size * self.shares[1]))))
        start = int(rng.integers(size - extent + 1))
        return start, start + extent

    def change(self, volumes: torch.Tensor, values: Sequence[tuple[Box, ...]]) -> None:
        """Blank boxes of (N, *size) volumes in place, one after another."""
        for volume, boxes in zip(volumes, values, strict=True):
            for box in boxes:
                part = volume[tuple(slice(*extent) for extent in box)]
                part.copy_(part.mean().expand_as(part))


@dataclass(frozen=True)
class Blob:
    """A Gaussian in space, and the strength of the transform at its highest place.

    Attributes:
        centre: per axis, relative to the patch; it may lie outside.
        width: standard deviation per axis, voxels.
        strength: a summand or an exponent.
    """

    centre: tuple[float, ...]
    width: tuple[float, ...]
    strength: float

    def weights(self, size: Sequence[int]) -> torch.Tensor:
        """Return the Gaussian's integral over each voxel, scaled to 0..1 over the patch, (*size) float32."""
        lines = [_line(*axis) for axis in zip(self.centre, self.width, size, strict=True)]
        weights = reduce(np.multiply.outer, lines)
        weights -= weights.min()
        highest = weights.max()
        return torch.from_numpy((weights / highest if highest > 0 else weights).astype(np.float32))


def _line(centre: float, width: float, size: int) -> npt.NDArray[np.float64]:
    from scipy.special import ndtr

    edges = (np.arange(size + 1) - 0.5 - centre * size) / width
    return np.diff(ndtr(edges))


@dataclass(frozen=True)
class LocalTransform(SomeChannels[Blob]):
    """A transform of some channels around a place; a subclass says what happens there.

    Attributes:
        patch_size: voxels per axis.
        centres: range of the place per axis, relative to the patch.
        weak, strong: two ranges of the strength, of which each is as probable.
    """

    patch_size: tuple[int, ...]
    centres: Range
    weak: Range
    strong: Range

    def value(self, rng: np.random.Generator) -> Blob:
        """Draw place, width (log-uniform from a sixth of the patch to all of it) and strength."""
        centre = tuple(rng.uniform(*self.centres, len(self.patch_size)).tolist())
        widths = tuple(math.exp(rng.uniform(math.log(max(1, n // 6)), math.log(n))) for n in self.patch_size)
        return Blob(centre, widths, float(rng.uniform(*(self.weak if happens(rng, 0.5) else self.strong))))


class BrightnessGradient(LocalTransform):
    """A summand that is highest at a place of the channel."""

    def change(self, volumes: torch.Tensor, values: Sequence[Blob]) -> None:
        """Add the summands to (N, *size) volumes in place."""
        for volume, blob in zip(volumes, values, strict=True):
            weights = blob.weights(volume.shape).to(volume.device)
            if weights.max() >= _SMALL:
                volume.add_(weights, alpha=blob.strength)


class LocalGamma(LocalTransform):
    """A power of the channel, scaled to 0..1, which has its full effect at a place alone."""

    def change(self, volumes: torch.Tensor, values: Sequence[Blob]) -> None:
        """Mix (N, *size) volumes with their powers in place."""
        for volume, blob in zip(volumes, values, strict=True):
            low, high = torch.aminmax(volume)
            extent = (high - low).clamp(min=_SMALL)
            scaled = (volume - low).div_(extent)
            mixed = scaled.lerp(scaled.pow(blob.strength), blob.weights(volume.shape).to(volume.device))
            volume.copy_(mixed.mul_(extent).add_(low))
