"""Resampling of images and label maps of many samples, each on its own grid: `resample` for a GPU.

All voxels take the same computation; selecting those that need it would wait for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product

import numpy as np
import torch
from torch.nn.functional import grid_sample, pad

from nnplug_nnunet.augmentation.resample import corner_offsets, corner_weights, nearest_corner, vote
from nnplug_nnunet.augmentation.sample import on_device
from nnplug_nnunet.augmentation.separable import apply_matrices, spline_coefficients
from nnplug_nnunet.outside import OUTSIDE

_RIM = 2  # voxels around the coefficients of a spline, which it reads at the border


def batch_positions(
    matrices: np.ndarray[tuple[int, int, int], np.dtype[np.float64]],
    size: Sequence[int],
    source_size: Sequence[int],
    *,
    device: torch.device,
    offsets: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the positions of the voxels of N patches in their sources; patch and source have the same centre.

    Args:
        matrices: (N, axes, axes), offset from the patch's centre -> offset from the source's centre, in voxels.
        size: size of the patches.
        source_size: size of the sources.
        device: device of the result.
        offsets: (N, axes, *size), displacements in voxels before the grid is transformed; None for none.

    Returns:
        (N, axes, *size) float32, voxels of the source.
    """
    lines = [torch.arange(n, dtype=torch.float32, device=device) - (n - 1) / 2 for n in size]
    grid = torch.stack(torch.meshgrid(*lines, indexing="ij"))[None]
    moved = (grid if offsets is None else grid + offsets).flatten(2)
    turned = torch.matmul(on_device(matrices.astype(np.float32), device), moved)
    centre = on_device(np.array([(n - 1) / 2 for n in source_size], np.float32), device)
    return (turned + centre[:, None]).view(len(matrices), len(size), *size)


def batch_images(images: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return images at positions by linear interpolation, with zeros outside.

    Args:
        images: (N, C, *source) float32.
        positions: (N, axes, *patch), voxels of the source.

    Returns:
        (N, C, *patch) float32.
    """
    grid = _sampling_grid(positions, images.shape[2:])
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def batch_nearest_images(images: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return images at positions, as `batch_images` does: the nearest voxel's value, zeros outside."""
    grid = _sampling_grid(positions, images.shape[2:])
    return grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def batch_nearest_labels(labels: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return label maps at positions, as `batch_labels` does: the nearest voxel's label, -1 outside."""
    above = labels.float() - OUTSIDE  # so that the zeros outside are -1
    return batch_nearest_images(above, positions).add_(OUTSIDE).to(labels.dtype)


def _sampling_grid(positions: torch.Tensor, source_size: Sequence[int]) -> torch.Tensor:
    """Return positions (N, axes, *patch) as `grid_sample` takes them, (N, *patch, axes)."""
    # grid_sample has x first; -1 and 1 are the outer edges of the outermost voxels
    scaled = [p * (2 / n) + (1 / n - 1) for p, n in zip(positions.unbind(1), source_size, strict=True)]
    return torch.stack(scaled[::-1], -1)


def batch_cubic_images(images: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return images at positions by cubic splines, with zeros outside, as `batch_images` does by linear interpolation.

    The weights of four neighbours along an axis are those of two linear interpolations, each between two of them. So a
    spline in 3D takes eight of the device's own interpolations instead of 64 values.
    """
    sizes = images.shape[2:]
    coefficients = apply_matrices(images, [spline_coefficients(n) for n in sizes])
    for axis in range(2, images.ndim):
        coefficients = _mirrored(coefficients, axis)
    weights, places = zip(*(_spline_pairs(p) for p in positions.unbind(1)), strict=True)
    total = images.new_zeros(())
    for corner in product((0, 1), repeat=len(sizes)):
        place = torch.stack([pair[side] + _RIM for pair, side in zip(places, corner, strict=True)], 1)
        share = reduce(torch.mul, [pair[side] for pair, side in zip(weights, corner, strict=True)])
        total = total + batch_images(coefficients, place) * share[:, None]
    inside = [(p >= 0) & (p <= n - 1) for p, n in zip(positions.unbind(1), sizes, strict=True)]
    return total * reduce(torch.logical_and, inside)[:, None]


def _mirrored(volumes: torch.Tensor, axis: int) -> torch.Tensor:
    """Return volumes with `_RIM` voxels more at both ends of an axis, mirrored at the border voxel."""
    size = volumes.shape[axis]
    places = np.pad(np.arange(size), _RIM, mode="reflect" if size > 1 else "edge")
    return volumes.index_select(axis, on_device(places, volumes.device))


def _spline_pairs(positions: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    """Return the weights of the two linear interpolations along an axis, and their positions."""
    first = positions.floor()
    t = positions - first
    rest = 1 - t
    one, two = rest**3 / 6, (4 - 6 * t**2 + 3 * t**3) / 6  # of the voxel before, and of `first`
    three, four = (4 - 6 * rest**2 + 3 * rest**3) / 6, t**3 / 6
    lower, upper = one + two, three + four
    return (lower, upper), (first - 1 + two / lower, first + 1 + four / upper)


def batch_labels(labels: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return label maps at positions: the label with the largest linear weight.

    Voxels outside have their own label, -1. On a tie the nearest voxel's label wins.

    Args:
        labels: (N, S, *source).
        positions: (N, axes, *patch), voxels of the source.

    Returns:
        (N, S, *patch).
    """
    patch = positions.shape[2:]
    padded = pad(labels, (1, 2) * len(patch), value=OUTSIDE)
    inside = [(p + 1).clamp_(0, n + 1) for p, n in zip(positions.unbind(1), labels.shape[2:], strict=True)]
    strides = padded.stride()[2:]
    first = torch.stack([p.long() * stride for p, stride in zip(inside, strides, strict=True)]).sum(0)
    fractions = [p.frac().flatten(1)[:, None] for p in inside]  # (N, 1, voxels)
    around = _around(padded.flatten(2), first.flatten(1), on_device(np.array(corner_offsets(strides)), labels.device))
    weights = corner_weights(fractions)
    best = around.gather(0, nearest_corner(fractions).expand(around.shape[1:])[None])[0]
    score = (weights * (around == best)).sum(0)
    return vote(around, weights, best, score).view(*labels.shape[:2], *patch)


def _around(maps: torch.Tensor, first: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Return the values of maps (N, S, voxels) `steps` after first voxels (N, positions).

    Returns:
        (corners, N, S, positions).
    """
    places = (first[:, None] + steps[:, None]).flatten(1)
    values = maps.gather(2, places[:, None].expand(-1, maps.shape[1], -1))
    return values.view(*maps.shape[:2], len(steps), -1).movedim(2, 0)
