"""Choose the patches of a batch: pure functions of a random generator.

The rules are nnU-Net's: cases uniformly with replacement, the last third of a batch centred on foreground. In 2d
configurations patches are (1, y, x): a slice of the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Voxel = npt.NDArray[np.integer[Any]]
"""(z, y, x)."""


class Locations(Protocol):
    """Voxels as rows of (z, y, x): an array, or one in a file that is read row by row."""

    def __len__(self) -> int:
        """The number of voxels."""
        ...

    def __getitem__(self, row: Any, /) -> Voxel:
        """One voxel."""
        ...


@dataclass(frozen=True)
class PatchBox:
    """A box of voxels (z, y, x) in a case; it may reach outside.

    Attributes:
        start: first voxel per axis, negative where the box begins outside.
        size: voxels per axis.
    """

    start: tuple[int, ...]
    size: tuple[int, ...]

    def centre(self, size: Sequence[int]) -> PatchBox:
        """The part of it around its middle; of two middles the later voxel, as patches are cropped."""
        starts = (s + whole // 2 - part // 2 for s, whole, part in zip(self.start, self.size, size, strict=True))
        return PatchBox(tuple(starts), tuple(size))


@dataclass(frozen=True)
class Candidates:
    """The stored voxels of a case around which patches can be centred.

    Attributes:
        foreground: per class or region, in any order; empty where the case has none.
        annotated: voxels of every label but the ignored one, where the dataset has an ignore label, else None.
    """

    foreground: Sequence[Locations]
    annotated: Locations | None = None


def is_forced(sample: int, *, batch_size: int, oversampling: float) -> bool:
    """Return whether that sample of a batch must contain foreground: the last ones must, rounded as nnU-Net rounds."""
    return sample >= round(batch_size * (1 - oversampling))


def with_slice_axis(size: Sequence[int]) -> tuple[int, int, int]:
    """A patch (y, x) as a box (1, y, x) of one slice; a patch (z, y, x) as it is."""
    z, y, x = (1, *size) if len(size) == 2 else size
    return z, y, x


def start_bounds(shape: Sequence[int], size: Sequence[int], network_size: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Lowest and highest start per axis of a patch that is placed anywhere.

    A patch may leave the image by as much as it is larger than the network's input, half on each side, so that the
    network's part of it reaches the border as often as the middle; more where the image is smaller than the patch.

    Args:
        shape: of the case, (z, y, x).
        size: of the patch that is cut.
        network_size: of the part that the network sees.
    """
    return tuple(_bounds(*axis) for axis in zip(shape, size, network_size, strict=True))


def _bounds(shape: int, size: int, network_size: int) -> tuple[int, int]:
    outside = max(size - network_size, size - shape)
    return -outside // 2, shape + outside // 2 + outside % 2 - size


def draw_patch(
    shape: Sequence[int],
    candidates: Candidates,
    *,
    size: Sequence[int],
    network_size: Sequence[int],
    forced: bool,
    rng: np.random.Generator,
) -> PatchBox:
    """SampleIndex a patch in a case.

    Args:
        shape: of the case, (z, y, x).
        candidates: the case's stored voxels.
        size: of the patch to cut, (z, y, x).
        network_size: of the part of it that the network sees.
        forced: whether the patch is to be centred on foreground, where the case has any.
        rng: the only source of randomness.
    """
    bounds = start_bounds(shape, size, network_size)
    centre = _draw_centre(candidates, forced=forced, rng=rng)
    if centre is None:
        return PatchBox(tuple(int(rng.integers(low, high + 1)) for low, high in bounds), tuple(size))
    # nnU-Net bounds the start from below only: a voxel at the far border stays in the middle of its patch
    starts = (max(low, int(c) - s // 2) for (low, _), c, s in zip(bounds, centre, size, strict=True))
    return PatchBox(tuple(starts), tuple(size))


def _draw_centre(candidates: Candidates, *, forced: bool, rng: np.random.Generator) -> Voxel | None:
    """A stored voxel: of a class that is present, else an annotated one, else none."""
    present: list[Locations] = [voxels for voxels in candidates.foreground if len(voxels)] if forced else []
    if not present and candidates.annotated is not None and len(candidates.annotated):
        present = [candidates.annotated]
    if not present:
        return None
    voxels = present[rng.integers(len(present))]
    return voxels[int(rng.integers(len(voxels)))]
