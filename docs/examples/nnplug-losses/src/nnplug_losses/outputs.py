"""Probabilities and masks of classes or regions, without ignored voxels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnplug.dataset.labels import Labels
from nnplug.runtime.distributed import World

SMOOTH = 1e-5


@dataclass(frozen=True)
class Outputs:
    """The foreground outputs of a batch.

    Attributes:
        chances: (B, C, *patch) float32, probabilities of C classes without the background, or of C regions.
        masks: (B, C, *patch) boolean, the reference.
        counted: (B, 1, *patch) boolean, False for ignored voxels.
    """

    chances: Tensor
    masks: Tensor
    counted: Tensor

    @classmethod
    def of(cls, logits: Tensor, target: Tensor, labels: Labels) -> Outputs:
        """Return the outputs of logits (B, K, *patch) and a target (B, 1, *patch); ignored voxels are 0 in both."""
        counted = torch.ones_like(target, dtype=torch.bool) if labels.ignore is None else target != labels.ignore
        chances = logits.float().sigmoid() if labels.has_regions else logits.float().softmax(1)[:, 1:]
        masks = torch.cat([torch.isin(target, target.new_tensor(values)) for values in labels.foreground], dim=1)
        return cls(chances * counted, masks & counted, counted)


def sums(values: Tensor, world: World, *, batch: bool) -> Tensor:
    """Return the sums over the voxels, (B, C); with `batch` over the batch of all processes too, (C,)."""
    spatial = values.flatten(2).sum(2)
    return world.sum(spatial.sum(0)) if batch else spatial


def mean(scores: Tensor, world: World, *, batch: bool) -> Tensor:
    """Return the mean score over classes, and over the samples of all processes unless `batch`."""
    return scores.mean() if batch else world.mean(scores)


def soft_dice(outputs: Outputs, world: World, *, batch: bool) -> Tensor:
    """Return the mean soft Dice of the outputs."""
    both = sums(outputs.chances * outputs.masks, world, batch=batch)
    either = sums(outputs.chances + outputs.masks, world, batch=batch)
    return mean((2 * both + SMOOTH) / (either + SMOOTH), world, batch=batch)
