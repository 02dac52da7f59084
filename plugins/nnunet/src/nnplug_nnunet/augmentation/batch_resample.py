"""Resampling of images and label maps of many samples, each on its own grid: `resample` for a GPU.

All voxels take the same computation; selecting those that need it would wait for the device.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import grid_sample, pad

from nnplug_nnunet.augmentation.resample import OUTSIDE, corner_offsets, corner_weights, nearest_corner, vote
from nnplug_nnunet.augmentation.sample import on_device


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
    # grid_sample has x first; -1 and 1 are the outer edges of the outermost voxels
    scaled = [p * (2 / n) + (1 / n - 1) for p, n in zip(positions.unbind(1), images.shape[2:], strict=True)]
    grid = torch.stack(scaled[::-1], -1)
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


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
    around = _around(padded.flatten(2), first.flatten(1), on_device(corner_offsets(strides).numpy(), labels.device))
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
