"""Images and label maps of many samples, each at the positions of a grid of its own: `resample` for a GPU.

All voxels are computed alike, rather than those looked for that need it, so that the device is never waited for.
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
    """Return the positions of the voxels of N patches in their sources, both relative to their centres.

    Args:
        matrices: (N, axes, axes), offset from the patch's centre -> offset from the source's centre, in voxels.
        size: of the patches.
        source_size: of the sources.
        device: of the result.
        offsets: (N, axes, *size), voxels by which the grid is displaced before it is transformed; None for none.

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
    """(N, C, *source) at positions (N, axes, *patch), (N, C, *patch): linear interpolation, zeros outside."""
    # grid_sample takes x first, and -1 and 1 for the outer edges of the outermost voxels
    scaled = [p * (2 / n) + (1 / n - 1) for p, n in zip(positions.unbind(1), images.shape[2:], strict=True)]
    grid = torch.stack(scaled[::-1], -1)
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def batch_labels(labels: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """(N, S, *source) label maps at positions (N, axes, *patch), (N, S, *patch): the label with the largest weight.

    Outside is a label of its own, -1. A tie goes to the nearest voxel's label.
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
    """(corners, N, S, positions): of maps (N, S, voxels) the values `steps` behind the first voxels (N, positions)."""
    places = (first[:, None] + steps[:, None]).flatten(1)
    values = maps.gather(2, places[:, None].expand(-1, maps.shape[1], -1))
    return values.view(*maps.shape[:2], len(steps), -1).movedim(2, 0)
