"""Losses at several resolutions: each decoder output against a target of its size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nnplug.contracts import LossFunction


def weights(outputs: int) -> tuple[float, ...]:
    """Return the weights of the outputs, fine to coarse: 1, 1/2, 1/4 .., normalised to sum 1.

    The coarsest output has weight 0 unless it is the only one.
    """
    raw = [0.5**level for level in range(outputs)]
    if outputs > 1:
        raw[-1] = 0.0
    return tuple(weight / sum(raw) for weight in raw)


def downsample(target: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a target (B, 1, *patch) at a coarser shape; a voxel takes the value at its centre ("nearest-exact")."""
    if all(size % coarse == 0 for size, coarse in zip(target.shape[2:], shape, strict=True)):
        factors = [size // coarse for size, coarse in zip(target.shape[2:], shape, strict=True)]
        middle = (slice(None), slice(None), *(slice(factor // 2, None, factor) for factor in factors))
        return target[middle]  # a view: nothing is computed
    for axis, size in enumerate(shape, start=2):
        if target.shape[axis] != size:
            centres = (torch.arange(size, device=target.device) + 0.5) * (target.shape[axis] / size)
            target = target.index_select(axis, centres.long())
    return target


def supervised_loss(loss: LossFunction, outputs: Sequence[Tensor], target: Tensor) -> Tensor:
    """Return the weighted sum of the loss over the outputs, from fine to coarse.

    Outputs of weight 0 are not computed.

    Args:
        loss: the loss of one resolution.
        outputs: logits (B, K, *size) from fine to coarse.
        target: (B, 1, *patch).
    """
    terms = [
        weight * loss(logits, downsample(target, logits.shape[2:]))
        for weight, logits in zip(weights(len(outputs)), outputs, strict=True)
        if weight
    ]
    return torch.stack(terms).sum()
