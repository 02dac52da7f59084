"""Resampling of images and label maps on a rotated and scaled grid.

Positions are voxels of the source, one tensor per axis, that broadcast to the patch: full tensors where axes mix, short
ones where they do not.
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
from nnplug_nnunet.outside import OUTSIDE

_TIE = 1e-5


def grid_positions(
    affine: npt.NDArray[np.float64], size: Sequence[int], source_size: Sequence[int]
) -> tuple[torch.Tensor, ...]:
    """Return the positions of the voxels of a patch in its source; patch and source have the same centre.

    Args:
        affine: (axes, axes), offset from the patch's centre -> offset from the source's centre, in voxels.
        size: size of the patch.
        source_size: size of the source.

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
    """Return the positions of a grid whose voxels are displaced before the grid is transformed.

    Args:
        positions: positions without displacement, from `grid_positions`.
        affine: as in `grid_positions`.
        offsets: displacements (*patch) in voxels, one tensor per axis.
    """
    moves = (_sum([float(c) * o for c, o in zip(row, offsets, strict=True) if c]) for row in affine)
    return tuple(position + move for position, move in zip(positions, moves, strict=True))


def is_separable(affine: npt.NDArray[np.float64]) -> bool:
    """Return whether the matrix (axes, axes) is diagonal, so that one operation per axis is enough."""
    return not (affine - np.diag(np.diag(affine))).any()


def linear_image(image: torch.Tensor, positions: Sequence[torch.Tensor], *, separable: bool) -> torch.Tensor:
    """Return an image (C, *source) at the positions, (C, *patch), by linear interpolation with zeros outside."""
    if separable:
        lines = [p.flatten().double().numpy() for p in positions]
        matrices = [linear(p, n) for p, n in zip(lines, image.shape[1:], strict=True)]
        # one channel at a time: malloc reuses memory below its mapping threshold (32 MB)
        return torch.stack([apply_matrices(channel, matrices) for channel in image])
    grid = _sampling_grid(positions, image.shape[1:])
    return grid_sample(image[None], grid[None], mode="bilinear", padding_mode="zeros", align_corners=False)[0]


def nearest_image(image: torch.Tensor, positions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return an image (C, *source) at the positions, (C, *patch): the nearest voxel's value, zeros outside."""
    grid = _sampling_grid(positions, image.shape[1:])
    return grid_sample(image[None], grid[None], mode="nearest", padding_mode="zeros", align_corners=False)[0]


def nearest_label(label: torch.Tensor, positions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return label maps (B, *source) at the positions, (B, *patch): the nearest voxel's label, -1 outside."""
    above = label.float() - OUTSIDE  # so that the zeros outside are -1
    return nearest_image(above, positions).add_(OUTSIDE).to(label.dtype)


def _sampling_grid(positions: Sequence[torch.Tensor], source_size: Sequence[int]) -> torch.Tensor:
    """Return positions as `grid_sample` takes them, (*patch, axes)."""
    axes = len(positions)
    grid = torch.empty(*_shape(positions), axes)
    for axis, (position, n) in enumerate(zip(positions, source_size, strict=True)):
        # grid_sample has x first; -1 and 1 are the outer edges of the outermost voxels
        grid[..., axes - 1 - axis] = position.mul(2 / n).add_(1 / n - 1)
    return grid


def cubic_image(image: torch.Tensor, positions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return an image (C, *source) at the positions, (C, *patch), by cubic splines with zeros outside.

    batchgenerators computes the splines.
    """
    from batchgenerators.augmentations.utils import interpolate_img

    coordinates = torch.stack([p.expand(_shape(positions)) for p in positions]).numpy()
    channels = [interpolate_img(channel.numpy(), coordinates, order=3, mode="constant", cval=0) for channel in image]
    return torch.from_numpy(np.stack(channels).astype(np.float32, copy=False))


def linear_label(label: torch.Tensor, positions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return label maps (B, *source) at the positions, (B, *patch): the label with the largest linear weight.

    Where all voxels around a position have one label, the result is this label; weights are computed only for the rest,
    a few per cent of a patch. Voxels outside have their own label, -1. On a tie the nearest voxel's label wins.
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
        around = padded.flatten()[base + torch.tensor(corner_offsets(strides))[:, None]]
        result[mixed] = _heaviest(around, [p.expand(first.shape)[mixed[1:]].frac() for p in inside])
    return result


def _sum(terms: Sequence[torch.Tensor]) -> torch.Tensor:
    return reduce(torch.add, terms)


def _shape(positions: Sequence[torch.Tensor]) -> tuple[int, ...]:
    """Return the shape of the patch to which the positions broadcast."""
    return np.broadcast_shapes(*(tuple(p.shape) for p in positions))


def _agreement(flat: torch.Tensor, strides: Sequence[int]) -> torch.Tensor:
    """Return whether each voxel has the label of its next neighbours along all axes.

    Rows are compared as one line, which is several times faster; the result for the last voxel of a row has no meaning.
    """
    labels = flat.numpy()  # compares int16 five times as fast as torch
    agreed = np.ones(len(labels), bool)
    for stride in strides:
        n = len(agreed) - stride
        agreed = (labels[:n] == labels[stride : stride + n]) & agreed[:n] & agreed[stride:]
    return torch.from_numpy(np.pad(agreed, (0, len(labels) - len(agreed))))


def corner_offsets(strides: Sequence[int]) -> list[int]:
    """Return the offsets in a flat array from the first voxel around a position to all voxels around it."""
    return [sum(compress(strides, corner)) for corner in product((0, 1), repeat=len(strides))]


def corner_weights(fractions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the linear weights (corners, N) of the voxels around N positions, in the order of `corner_offsets`."""
    weights = torch.ones_like(fractions[0])[None]
    for fraction in fractions:
        weights = torch.stack((weights * (1 - fraction), weights * fraction), 1).flatten(0, 1)
    return weights


def nearest_corner(fractions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the index (N,) int64 of the nearest of the voxels around N positions; on a tie the first."""
    nearest = torch.zeros_like(fractions[0], dtype=torch.int64)
    for fraction in fractions:
        nearest.mul_(2).add_(fraction > 0.5)
    return nearest


def _heaviest(around: torch.Tensor, fractions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return for each of N positions the label with the largest sum of weights, from labels (corners, N) around it."""
    weights = corner_weights(fractions)
    best = around.gather(0, nearest_corner(fractions)[None])[0]
    score = (weights * (around == best)).sum(0)
    unsure = (score <= 0.5).nonzero()[:, 0]
    if len(unsure):
        best[unsure] = vote(around[:, unsure], weights[:, unsure], best[unsure], score[unsure])
    return best


def vote(around: torch.Tensor, weights: torch.Tensor, best: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """Return `best` (N,), replaced by any label around with a higher score, beyond rounding.

    Args:
        around: labels (corners, .., N) around the positions.
        weights: their linear weights.
        best: the candidate labels.
        score: the sums of weights of the candidates.
    """
    for label in around:
        own = (weights * (around == label)).sum(0)
        best = torch.where(own > score + _TIE, label, best)
        score = torch.maximum(own, score)
    return best
