"""Sums and cross-entropies of one resolution, with gradients in closed form: few operations, and few maps in memory.

Both functions return what soft Dice and cross-entropy are made of. PyTorch's own gradients of the same sums keep a map
for every operation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

Statistics = tuple[Tensor, Tensor, Tensor]
"""Cross-entropies of all voxels (B, *patch) or (B, C, *patch), and per channel the sums (B, C) of probabilities in the
reference and everywhere."""


def class_statistics(logits: Tensor, labels: Tensor, reference: Tensor, valid: Tensor | None) -> Statistics:
    """Return the statistics of exclusive classes.

    Args:
        logits: (B, K, *patch) float32.
        labels: (B, 1, *patch) int64 class of each voxel.
        reference: (B, K, *patch) boolean, the same as masks; or 0 and 1, with which a CPU multiplies faster.
        valid: (B, 1, *patch) boolean, the voxels that count in the sums; None for all.
    """
    found: Statistics = _Classes.apply(logits, labels, reference, valid)  # type: ignore[no-untyped-call]
    return found


def region_statistics(logits: Tensor, reference: Tensor, valid: Tensor | None) -> Statistics:
    """Return the statistics of overlapping regions, with a cross-entropy for every region.

    Args:
        logits: (B, R, *patch) float32.
        reference: (B, R, *patch) boolean masks; or 0 and 1, with which a CPU multiplies faster.
        valid: (B, 1, *patch) boolean, the voxels that count in the sums; None for all.
    """
    found: Statistics = _Regions.apply(logits, reference, valid)  # type: ignore[no-untyped-call]
    return found


def channel_sums(probabilities: Tensor, reference: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the sums of probabilities (B, C, *patch) within the reference, and everywhere: (B, C) each."""
    axes = tuple(range(2, probabilities.ndim))
    counted = probabilities if valid is None else probabilities * valid
    return (counted * reference).sum(axes), counted.sum(axes)


class _Classes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, reference: Tensor, valid: Tensor | None) -> Statistics:
        probabilities = logits.log_softmax(1)
        cross_entropy = probabilities.gather(1, labels)[:, 0].neg_()
        probabilities.exp_()
        ctx.save_for_backward(probabilities, reference, valid)
        return cross_entropy, *channel_sums(probabilities, reference, valid)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_cross_entropy: Tensor, of_overlap: Tensor, of_predicted: Tensor
    ) -> tuple[Tensor | None, ...]:
        probabilities, reference, valid = ctx.saved_tensors
        slope = _slope(of_overlap, of_predicted, reference, valid)
        share = of_cross_entropy[:, None]
        slope.add_(share - (slope * probabilities).sum(1, keepdim=True)).mul_(probabilities)
        return slope.addcmul_(reference, share, value=-1), None, None, None


class _Regions(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, reference: Tensor, valid: Tensor | None) -> Statistics:
        probabilities = logits.sigmoid()
        cross_entropy = functional.softplus(logits).addcmul_(reference, logits, value=-1)
        ctx.save_for_backward(probabilities, reference, valid)
        return cross_entropy, *channel_sums(probabilities, reference, valid)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_cross_entropy: Tensor, of_overlap: Tensor, of_predicted: Tensor
    ) -> tuple[Tensor | None, ...]:
        probabilities, reference, valid = ctx.saved_tensors
        slope = _slope(of_overlap, of_predicted, reference, valid)
        slope.addcmul_(slope, probabilities, value=-1).add_(of_cross_entropy).mul_(probabilities)
        return slope.addcmul_(reference, of_cross_entropy, value=-1), None, None


def _slope(of_overlap: Tensor, of_predicted: Tensor, reference: Tensor, valid: Tensor | None) -> Tensor:
    """Return the gradient of the probabilities (B, C, *patch) from those of both sums (B, C)."""
    shape = (*of_overlap.shape, *(1,) * (reference.ndim - 2))
    slope = torch.addcmul(of_predicted.view(shape), reference, of_overlap.view(shape))
    return slope if valid is None else slope.mul_(valid)
