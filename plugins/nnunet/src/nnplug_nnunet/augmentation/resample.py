"""Images and label maps at the positions of a rotated and scaled grid.

Positions are voxels of the source, one tensor per axis, that broadcast to the patch: three full tensors where axes
mix, one short one per axis where they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import grid_sample, pad

from nnplug_nnunet.augmentation.separable import apply_matrices, linear

OUTSIDE = -1
_MIXED = torch.iinfo(torch.int16).min


def grid_positions(
    affine: npt.NDArray[np.float64], size: Sequence[int], source_size: Sequence[int]
) -> tuple[torch.Tensor, ...]:
    """Where the voxels of a patch lie in its source, both seen from their centres.

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
    position = terms[0] + np.float32(centre).item()
    for term in terms[1:]:
        position = position + term
    return position


def is_separable(affine: npt.NDArray[np.float64]) -> bool:
    """Whether every axis goes its own way, so that an operation per axis does."""
    return not (affine - np.diag(np.diag(affine))).any()


def linear_image(image: torch.Tensor, positions: Sequence[torch.Tensor], *, separable: bool) -> torch.Tensor:
    """(C, *source) at the positions, (C, *patch): linear interpolation, zeros outside."""
    if separable:
        lines = [p.flatten().double().numpy() for p in positions]
        return apply_matrices(image, [linear(p, n) for p, n in zip(lines, image.shape[1:], strict=True)])
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
    axes = len(positions)
    padded = pad(label, (1, 2) * axes, value=OUTSIDE)
    inside = [(p + 1).clamp_(0, n + 1) for p, n in zip(positions, label.shape[1:], strict=True)]
    corners = [p.floor() for p in inside]
    cells = _cells(padded)
    where = _flat_index(corners, cells.stride()[1:])
    result = cells.flatten(1)[:, where]
    mixed = (result == _MIXED).nonzero(as_tuple=True)
    if len(mixed[0]):
        lower = [c.expand(result.shape[1:])[mixed[1:]] for c in corners]
        fraction = [p.expand(result.shape[1:])[mixed[1:]] - c for p, c in zip(inside, lower, strict=True)]
        base = _flat_index([mixed[0], *lower], padded.stride())
        result[mixed] = _heaviest(padded, base, fraction)
    return result


def _shape(positions: Sequence[torch.Tensor]) -> tuple[int, ...]:
    """Of the patch to which the positions broadcast."""
    return np.broadcast_shapes(*(tuple(p.shape) for p in positions))


def _cells(padded: torch.Tensor) -> torch.Tensor:
    """The label of each cell of neighbouring voxels, `_MIXED` where they differ."""
    low = high = padded
    for axis in range(1, padded.ndim):
        n = padded.shape[axis] - 1
        low = torch.minimum(low.narrow(axis, 0, n), low.narrow(axis, 1, n))
        high = torch.maximum(high.narrow(axis, 0, n), high.narrow(axis, 1, n))
    return torch.where(low == high, low, _MIXED)


def _flat_index(index: Sequence[torch.Tensor], strides: Sequence[int]) -> torch.Tensor:
    flat = index[0].long() * strides[0]
    for axis, stride in zip(index[1:], strides[1:], strict=True):
        flat = flat + axis.long() * stride
    return flat


def _heaviest(padded: torch.Tensor, base: torch.Tensor, fraction: Sequence[torch.Tensor]) -> torch.Tensor:
    """Among the voxels around each of N positions, the label whose weights have the largest sum."""
    flat, strides = padded.flatten(), padded.stride()[1:]
    labels, weights = [], []
    for corner in product((0, 1), repeat=len(fraction)):
        labels.append(flat[base + sum(c * s for c, s in zip(corner, strides, strict=True))])
        parts = [f if c else 1 - f for c, f in zip(corner, fraction, strict=True)]
        weights.append(torch.stack(parts).prod(0))
    around, weight = torch.stack(labels), torch.stack(weights)
    best, best_score = around[0], torch.zeros_like(weight[0])
    for here, own in zip(around, weight, strict=True):
        score = (weight * (around == here)).sum(0) + 1e-4 * own  # the nearer voxel wins a tie
        best = torch.where(score > best_score, here, best)
        best_score = torch.maximum(score, best_score)
    return best
