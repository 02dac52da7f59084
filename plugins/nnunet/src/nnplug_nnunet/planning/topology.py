"""Strides and kernel sizes derived from spacing and patch size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from nnplug.contracts import Topology

SMALLEST = 4
"""No axis is pooled below this number of voxels."""

Size = tuple[int, ...]


@dataclass(frozen=True)
class Pyramid:
    """The resolutions of a network, from fine to coarse.

    Attributes:
        strides: per stage and axis.
        kernel_sizes: per stage and axis.
    """

    strides: tuple[Size, ...]
    kernel_sizes: tuple[Size, ...]

    @classmethod
    def of(cls, spacing: Sequence[float], patch_size: Sequence[float]) -> Pyramid:
        """Pool until no axis is large enough, finely sampled axes first.

        Args:
            spacing: per axis, mm.
            patch_size: per axis, voxels; may be fractional.
        """
        axes = range(len(spacing))
        spacing, size = list(spacing), list(patch_size)
        kernel = [1 for _ in axes]
        strides, kernels = [tuple(kernel)], []
        while pooled := _axes_to_pool(spacing, size):
            finest = min(spacing)
            kernel = [3 if spacing[a] / finest < 2 else kernel[a] for a in axes]
            kernels.append(tuple(kernel))
            strides.append(tuple(2 if a in pooled else 1 for a in axes))
            for a in pooled:
                spacing[a] *= 2
                size[a] = -(-size[a] // 2)
        return cls(tuple(strides), (*kernels, (3,) * len(spacing)))

    @cached_property
    def divisor(self) -> Size:
        """The number per axis that a patch size must be a multiple of."""
        return tuple(map(prod, zip(*self.strides, strict=True)))

    def pad(self, patch_size: Sequence[float]) -> Size:
        """Return the patch size with each axis rounded up to a multiple of the divisor."""
        return tuple(int(-(-n // d)) * d for n, d in zip(patch_size, self.divisor, strict=True))

    def topology(self, base_features: int, max_features: int) -> Topology:
        """Return the topology with features that double from stage to stage up to a limit."""
        features = tuple(min(base_features * 2**stage, max_features) for stage in range(len(self.strides)))
        return Topology(self.strides, self.kernel_sizes, features)


def _axes_to_pool(spacing: Sequence[float], size: Sequence[float]) -> list[int]:
    large = [axis for axis, n in enumerate(size) if n >= 2 * SMALLEST]
    finest = min((spacing[axis] for axis in large), default=0)
    fine = [axis for axis in large if spacing[axis] / finest < 2]
    if len(fine) == 1 and size[fine[0]] < 3 * SMALLEST:
        return []
    return fine
