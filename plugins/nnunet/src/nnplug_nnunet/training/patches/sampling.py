"""Choose the patches of a batch: pure functions of a random generator.

The rules are nnU-Net's: cases are drawn uniformly with replacement, and the last third of a batch is centred on
foreground. In 2d configurations a patch is (1, y, x): a slice of the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnplug_nnunet.training.patch_centres import Candidates, Voxel, VoxelRows

Oversampled = Literal["last", "random", "random-whole"]
"""The samples that are centred on foreground: the last ones of a batch, or each with a probability."""


@dataclass(frozen=True)
class PatchBox:
    """A box of voxels (z, y, x) in a case; it may extend outside.

    Attributes:
        start: first voxel per axis, negative if the box begins outside.
        size: voxels per axis.
    """

    start: tuple[int, ...]
    size: tuple[int, ...]

    def centre(self, size: Sequence[int]) -> PatchBox:
        """Return the part of this size around the middle; of two middles the later voxel, as in cropping."""
        starts = (s + whole // 2 - part // 2 for s, whole, part in zip(self.start, self.size, size, strict=True))
        return PatchBox(tuple(starts), tuple(size))


def is_forced(sample: int, *, batch_size: int, oversampling: float) -> bool:
    """Return whether this sample of a batch must contain foreground.

    The last samples of a batch must; their number is rounded as in nnU-Net.
    """
    return sample >= round(batch_size * (1 - oversampling))


def chance_of_foreground(oversampled: Oversampled, *, batch_size: int, oversampling: float) -> float | None:
    """Return the probability that a sample is centred on foreground; None if its place in the batch decides.

    Args:
        oversampled: "random" for `oversampling` itself, "random-whole" for the share of samples that "last" centres,
            which differs because their number is whole.
        batch_size: samples per batch.
        oversampling: share of a batch that is centred on foreground.
    """
    if oversampled == "last":
        return None
    if oversampled == "random":
        return oversampling
    forced = [is_forced(sample, batch_size=batch_size, oversampling=oversampling) for sample in range(batch_size)]
    return sum(forced) / batch_size


def with_slice_axis(size: Sequence[int]) -> tuple[int, int, int]:
    """Return a patch (y, x) as a box (1, y, x) of one slice; a patch (z, y, x) stays unchanged."""
    z, y, x = (1, *size) if len(size) == 2 else size
    return z, y, x


def start_bounds(shape: Sequence[int], size: Sequence[int], network_size: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the lowest and highest start per axis of a patch that may lie anywhere.

    A patch may extend outside the image by the difference to the network's input, half on each side, so that the
    network sees the border as often as the middle. It extends further if the image is smaller than the patch.

    Args:
        shape: shape of the case, (z, y, x).
        size: size of the patch to cut.
        network_size: size of the part that the network sees.
    """
    return tuple(_bounds(*axis) for axis in zip(shape, size, network_size, strict=True))


def _bounds(shape: int, size: int, network_size: int) -> tuple[int, int]:
    outside = max(size - network_size, size - shape)
    return -outside // 2, shape + outside // 2 + outside % 2 - size


def draw_box(
    shape: Sequence[int],
    centre: Sequence[int] | None,
    *,
    size: Sequence[int],
    network_size: Sequence[int],
    rng: np.random.Generator,
) -> PatchBox:
    """Return the box of a patch in a case.

    Args:
        shape: shape of the case, (z, y, x).
        centre: the voxel (z, y, x) that the patch is centred on; None for any place, drawn uniformly.
        size: size of the patch to cut, (z, y, x).
        network_size: size of the part that the network sees.
        rng: the only source of randomness.
    """
    bounds = start_bounds(shape, size, network_size)
    if centre is None:
        return PatchBox(tuple(int(rng.integers(low, high + 1)) for low, high in bounds), tuple(size))
    # nnU-Net bounds the start from below only: a voxel at the far border stays in the middle of its patch
    starts = (max(low, int(c) - s // 2) for (low, _), c, s in zip(bounds, centre, size, strict=True))
    return PatchBox(tuple(starts), tuple(size))


def draw_centre(candidates: Candidates, *, forced: bool, rng: np.random.Generator) -> Voxel | None:
    """Return a stored voxel of a class that is present, else an annotated voxel, else None for any place.

    Args:
        candidates: the case's stored voxels.
        forced: whether to choose a voxel of the foreground, if the case has any.
        rng: the only source of randomness.
    """
    present: list[VoxelRows] = [voxels for voxels in candidates.foreground if len(voxels)] if forced else []
    if not present and candidates.annotated is not None and len(candidates.annotated):
        present = [candidates.annotated]
    if not present:
        return None
    voxels = present[rng.integers(len(present))]
    return voxels[int(rng.integers(len(voxels)))]
