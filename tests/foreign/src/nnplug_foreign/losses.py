"""The loss of `foreign-adam` if plans name none: cross-entropy and soft Dice; ignored voxels do not count."""

from __future__ import annotations

import torch
from torch.nn import functional

from nnplug.contracts import LossContext, LossFunction, TrainingTask
from nnplug.dataset.labels import Labels


def loss_of(task: TrainingTask) -> LossFunction:
    """Return the loss that the plans name, or the trainer's own."""
    if task.loss is not None:
        return task.loss.bind(LossContext(task.labels, task.configuration.batch_dice))
    return lambda logits, target: loss(logits, target[:, 0], task.labels)


def loss(logits: torch.Tensor, label: torch.Tensor, labels: Labels) -> torch.Tensor:
    """Return the mean cross-entropy of the voxels that count, minus the mean soft Dice of the foreground.

    Args:
        logits: (B, K, *patch) float32.
        label: (B, *patch) int64.
        labels: classes or regions.
    """
    counted = torch.ones_like(label, dtype=torch.bool) if labels.ignore is None else label != labels.ignore
    target = one_hot(label, labels)
    if labels.has_regions:
        each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1)
        chances = logits.sigmoid()
    else:
        each = -(logits.log_softmax(1) * target).sum(1)
        chances, target = logits.softmax(1)[:, 1:], target[:, 1:]
    entropy = (each * counted).sum() / counted.sum().clamp(min=1)
    return entropy - _soft_dice(chances * counted[:, None], target * counted[:, None])


def one_hot(label: torch.Tensor, labels: Labels) -> torch.Tensor:
    """Return (B, K, *patch) float32, a channel for each output of the network; ignored voxels are 0 in all."""
    outputs = labels.foreground if labels.has_regions else [(value,) for value in labels.all_values]
    return torch.stack([torch.isin(label, label.new_tensor(values)) for values in outputs], dim=1).float()


def _soft_dice(chances: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    axes = [0, *range(2, chances.ndim)]
    both, either = (chances * target).sum(axes), (chances + target).sum(axes)
    return ((2 * both + 1) / (either + 1)).mean()
