"""Images and label maps at the positions of a rotated and scaled grid.

Positions are voxels of the source, one tensor per axis, that broadcast to the patch: three full tensors where axes
mix, one short one per axis where they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import compress, product

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import grid_sample, pad

from nnplug_nnunet.augmentation.separable import apply_matrices, linear

OUTSIDE = -1
_TIE = 1e-5


def grid_positions(
    affine: npt.NDArray[np.float64], size: Sequence[int], source_size: Sequence[int]
) -> tuple[torch.Tensor, ...]:
    """Return the positions of the voxels of a patch in its source, both relative to their centres.

    Args:
        affine: (axes, axes), offset from the patch's centre -> offset from the source's centre, in voxels.
        size: of the patch.
        source_size: of the source.

    Returns:
        a float32 tensor per axis of the source; together they broadcast to the patch.
    """
    axes = [np.arange(n) - (n - 1) / 2 for n in size]
    offsets = np.meshgrid(*axes, indexing="ij", sparse=True)
    return tuple(_position(row, offsets, (n - 1) / 2) for row, n in zip(affine, source_size, strict=True))


def _position(row: npt.NDArray[np.float64], offsets: Sequence[npt.NDArray[np.float64]], centre: float) -> torch.Tensor:
    terms = [torch.from_numpy((c * o).astype(np.float32)) for c, o in zip(row, offsets, strict=True) if c]
    return _sum(terms) + centre


def displaced(
    positions: Sequence[torch.Tensor], affine: npt.NDArray[np.float64], offsets: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    """The positions of a grid whose voxels are displaced before the grid is transformed.

    Args:
        positions: of the grid as it was, from `grid_positions`.
        affine: as there.
        offsets: (*patch) voxels, one tensor per axis.
    """
    moves = (_sum([float(c) * o for c, o in zip(row, offsets, strict=True) if c]) for row in affine)
    return tuple(position + move for position, move in zip(positions, moves, strict=True))


def is_separable(affine: npt.NDArray[np.float64]) -> bool:
    """Return whether the positions are separable, so that one operation per axis suffices."""
    return not (affine - np.diag(np.diag(affine))).any()


def linear_image(image: torch.Tensor, positions: Sequence[torch.Tensor], *, separable: bool) -> torch.Tensor:
    """(C, *source) at the positions, (C, *patch): linear interpolation, zeros outside."""
    if separable:
        lines = [p.flatten().double().numpy() for p in positions]
        matrices = [linear(p, n) for p, n in zip(lines, image.shape[1:], strict=True)]
        # one channel at a time: memory below malloc's mapping threshold (32 MB) is reused, not mapped anew
        return torch.stack([apply_matrices(channel, matrices) for channel in image])
    axes = len(positions)
    grid = torch.empty(*_shape(positions), axes)
    for axis, (position, n) in enumerate(zip(positions, image.shape[1:], strict=True)):
        # grid_sample takes x first, and -1 and 1 for the outer edges of the outermost voxels
        grid[..., axes - 1 - axis] = position.mul(2 / n).add_(1 / n - 1)
    return grid_sample(image[None], grid[None], mode="bilinear", padding_mode="zeros", align_corners=False)[0]


def cubic_image(image: torch.Tensor, positions: Sequence[torch.Tensor]) -> torch.Tensor:
    """(C, *source) at the positions, (C, *patch): cubic splines, zeros outside, by batchgenerators."""
    from batchgenerators.augmentations.utils import interpolate_img

    coordinates = torch.stack([p.expand(_shape(positions)) for p in positions]).numpy()
    channels = [interpolate_img(channel.numpy(), coordinates, order=3, mode="constant", cval=0) for channel in image]
    return torch.from_numpy(np.stack(channels).astype(np.float32, copy=False))


def linear_label(label: torch.Tensor, positions: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, *source) label maps at the positions, (B, *patch): the label with the largest linear weight.

    Where the voxels around a position agree, theirs is the label; only the rest, a few per cent of a patch, is
    weighed. Outside is a label of its own, -1. A tie goes to the nearest voxel's label.
    """
    padded = pad(label, (1, 2) * len(positions), value=OUTSIDE)
    inside = [(p + 1).clamp_(0, n + 1) for p, n in zip(positions, label.shape[1:], strict=True)]
    strides = padded.stride()[1:]
    first = _sum([p.int().mul_(stride) for p, stride in zip(inside, strides, strict=True)])
    shape = (len(label), *first.shape)
    result = padded.flatten(1).index_select(1, first.flatten()).view(shape)
    agreed = _agreement(padded.flatten(), strides).view(padded.shape).flatten(1)
    mixed = agreed.index_select(1, first.flatten()).view(shape).logical_not_().nonzero(as_tuple=True)
    if len(mixed[0]):
        base = first[mixed[1:]] + mixed[0] * padded.stride(0)
        around = padded.flatten()[base + corner_offsets(strides)[:, None]]
        result[mixed] = _heaviest(around, [p.expand(first.shape)[mixed[1:]].frac() for p in inside])
    return result


def _sum(terms: Sequence[torch.Tensor]) -> torch.Tensor:
    return reduce(torch.add, terms)


def _shape(positions: Sequence[torch.Tensor]) -> tuple[int, ...]:
    """Return the shape of the patch to which the positions broadcast."""
    return np.broadcast_shapes(*(tuple(p.shape) for p in positions))


def _agreement(flat: torch.Tensor, strides: Sequence[int]) -> torch.Tensor:
    """Return whether each voxel has the label of its next neighbours along all axes.

    Rows are run through as one line, which is several times faster; the last voxel of a row has no meaning.
    """
    labels = flat.numpy()  # compares int16 five times as fast as torch
    agreed = np.ones(len(labels), bool)
    for stride in strides:
        n = len(agreed) - stride
        agreed = (labels[:n] == labels[stride : stride + n]) & agreed[:n] & agreed[stride:]
    return torch.from_numpy(np.pad(agreed, (0, len(labels) - len(agreed))))


def corner_offsets(strides: Sequence[int]) -> torch.Tensor:
    """From the first voxel around a position to each of them, in a flat array."""
    return torch.tensor([sum(compress(strides, corner)) for corner in product((0, 1), repeat=len(strides))])


def corner_weights(fractions: Sequence[torch.Tensor]) -> torch.Tensor:
    """(corners, N): linear weights of the voxels around N positions, in the order of `corner_offsets`."""
    weights = torch.ones_like(fractions[0])[None]
    for fraction in fractions:
        weights = torch.stack((weights * (1 - fraction), weights * fraction), 1).flatten(0, 1)
    return weights


def nearest_corner(fractions: Sequence[torch.Tensor]) -> torch.Tensor:
    """(N,) int64: which of the voxels around each of N positions is nearest; in the middle, the first."""
    nearest = torch.zeros_like(fractions[0], dtype=torch.int64)
    for fraction in fractions:
        nearest.mul_(2).add_(fraction > 0.5)
    return nearest


def _heaviest(around: torch.Tensor, fractions: Sequence[torch.Tensor]) -> torch.Tensor:
    """For each of N positions, of the labels (corners, N) around it, the one whose weights have the largest sum."""
    weights = corner_weights(fractions)
    best = around.gather(0, nearest_corner(fractions)[None])[0]
    score = (weights * (around == best)).sum(0)
    unsure = (score <= 0.5).nonzero()[:, 0]
    if len(unsure):
        best[unsure] = vote(around[:, unsure], weights[:, unsure], best[unsure], score[unsure])
    return best


def vote(around: torch.Tensor, weights: torch.Tensor, best: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """Put another label in the place of `best` wherever its score is higher, beyond rounding."""
    for label in around:
        own = (weights * (around == label)).sum(0)
        best = torch.where(own > score + _TIE, label, best)
        score = torch.maximum(own, score)
    return best
