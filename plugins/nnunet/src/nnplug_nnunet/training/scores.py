"""Pseudo Dice: the segmentation accuracy on validation patches during training."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nnplug.dataset.labels import Labels
from nnplug_nnunet.training.losses.functions import region_masks


def confusion(logits: Tensor, target: Tensor, labels: Labels) -> Tensor:
    """Return true positives, false positives and false negatives of a batch, (3, foreground classes or regions).

    Args:
        logits: (B, K, *patch) at full resolution.
        target: (B, 1, *patch).
        labels: defines the channels to compare; voxels with the ignore label do not count.
    """
    predicted, reference = _masks(logits, target, labels)
    if labels.ignore is not None:
        valid = target != labels.ignore
        predicted, reference = predicted & valid, reference & valid
    axes = (0, *range(2, predicted.ndim))
    hits = (predicted & reference).sum(axes)
    return torch.stack([hits, predicted.sum(axes) - hits, reference.sum(axes) - hits])


def _masks(logits: Tensor, target: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
    if labels.has_regions:
        return logits > 0, region_masks(target, labels.foreground)
    classes = torch.arange(1, labels.outputs, device=logits.device).view(1, -1, *[1] * (logits.ndim - 2))
    return logits.argmax(1, keepdim=True) == classes, target == classes


def dice(counts: Tensor) -> list[float]:
    """Return the Dice per class from summed `confusion` counts (3, classes); NaN if a class occurs in neither map."""
    hits, wrong, missed = counts.cpu().double()  # MPS has no float64
    return [float(2 * h / d) if (d := 2 * h + w + m) else math.nan for h, w, m in zip(hits, wrong, missed, strict=True)]


def mean_dice(per_class: list[float]) -> float:
    """Return the mean over the classes that occur; 0 if there are none."""
    present = [value for value in per_class if not math.isnan(value)]
    return sum(present) / len(present) if present else 0.0


def present(counts: Tensor) -> tuple[bool, ...]:
    """Return from the same counts whether each class occurs in the reference."""
    hits, _, missed = counts
    return tuple(bool(voxels) for voxels in (hits + missed).tolist())
