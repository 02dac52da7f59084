"""Losses of nnU-Net 2.8.1: soft Dice with cross-entropy or, for regions, binary cross-entropy.

Logits are (B, K, *patch) float, targets (B, 1, *patch) integers. Voxels with the ignore label do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from nnplug.contracts import LossFunction
from nnplug.dataset.labels import Labels
from nnplug.runtime.distributed import SINGLE_PROCESS, World

LossName = Literal["dice-ce", "dice", "ce", "topk", "dice-topk"]
SMOOTH = 1e-5
TOP_FRACTION = 0.1


def make_loss(
    name: LossName,
    labels: Labels,
    *,
    batch_dice: bool,
    world: World = SINGLE_PROCESS,
    top_fraction: float = TOP_FRACTION,
) -> LossFunction:
    """Return the loss of this name for classes, or its counterpart for regions.

    Args:
        name: the terms that are summed.
        labels: classes or regions, and the ignore label.
        batch_dice: whether Dice sums over the batch as if it were one volume.
        world: the processes that share the batch; every rank gets the loss of the whole batch.
        top_fraction: share of the voxels that count in "topk".
    """
    if labels.has_regions:
        return RegionLoss(name, labels.foreground, labels.ignore, batch_dice, world, top_fraction)
    return ClassLoss(name, labels.ignore, batch_dice, world, top_fraction)


@dataclass(frozen=True)
class ClassLoss:
    """The loss for exclusive classes: softmax Dice without the background, plus cross-entropy.

    Attributes:
        name: the terms that are summed.
        ignore: label value of voxels that do not count, or None.
        batch_dice: whether Dice sums over the batch as if it were one volume.
        world: the processes that share the batch.
        top_fraction: share of the voxels that count in "topk".
    """

    name: LossName
    ignore: int | None
    batch_dice: bool
    world: World = SINGLE_PROCESS
    top_fraction: float = TOP_FRACTION

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """See `nnplug.contracts.LossFunction`."""
        labels = target[:, 0].long()
        valid = None if self.ignore is None else labels != self.ignore
        labels = labels if valid is None else labels.masked_fill(~valid, 0)
        loss = logits.new_zeros((), dtype=torch.float32)
        if "dice" in self.name:
            loss = loss + self._dice(logits, labels, valid)
        if self.name != "dice":
            loss = loss + self._entropy(logits, labels, valid)
        return loss

    def _dice(self, logits: Tensor, labels: Tensor, valid: Tensor | None) -> Tensor:
        reference = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, labels[:, None], value=True)
        mask = None if valid is None else valid[:, None]
        probabilities = logits.softmax(1)[:, 1:]
        return -soft_dice(probabilities, reference[:, 1:], mask, batch_dice=self.batch_dice, world=self.world)

    def _entropy(self, logits: Tensor, labels: Tensor, valid: Tensor | None) -> Tensor:
        entropy = functional.cross_entropy(logits, labels, reduction="none")
        if self.name.endswith("topk"):
            return _highest(entropy, valid, self.top_fraction, self.world)
        return _mean(entropy, valid, valid, self.world)


@dataclass(frozen=True)
class RegionLoss:
    """The loss for overlapping regions: sigmoid Dice of every region, plus binary cross-entropy.

    Attributes:
        name: the terms that are summed.
        regions: label values of each region, in the order of the logits.
        ignore: label value of voxels that do not count, or None.
        batch_dice: whether Dice sums over the batch as if it were one volume.
        world: the processes that share the batch.
        top_fraction: share of the voxels that count in "topk".
    """

    name: LossName
    regions: tuple[tuple[int, ...], ...]
    ignore: int | None
    batch_dice: bool
    world: World = SINGLE_PROCESS
    top_fraction: float = TOP_FRACTION

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """See `nnplug.contracts.LossFunction`."""
        reference = region_masks(target, self.regions)
        valid = None if self.ignore is None else target != self.ignore
        loss = logits.new_zeros((), dtype=torch.float32)
        if "dice" in self.name:
            dice = soft_dice(logits.sigmoid(), reference, valid, batch_dice=self.batch_dice, world=self.world)
            loss = loss - dice
        if self.name != "dice":
            entropy = functional.binary_cross_entropy_with_logits(logits, reference.to(logits.dtype), reduction="none")
            everywhere = None if valid is None else valid.expand_as(entropy)
            if self.name.endswith("topk"):
                return loss + _highest(entropy, everywhere, self.top_fraction, self.world)
            loss = loss + _mean(entropy, everywhere, valid, self.world)
        return loss


def region_masks(target: Tensor, regions: tuple[tuple[int, ...], ...]) -> Tensor:
    """Return boolean masks (B, regions, *patch) of a label map (B, 1, *patch).

    Label values are compared one by one: `torch.isin` is four times slower on a CPU, and a GPU would wait for a copy of
    them.
    """
    return torch.cat([reduce(torch.logical_or, [target == value for value in values]) for values in regions], dim=1)


def soft_dice(
    probabilities: Tensor, reference: Tensor, valid: Tensor | None, *, batch_dice: bool, world: World = SINGLE_PROCESS
) -> Tensor:
    """Return the mean soft Dice over channels (and samples, unless `batch_dice`).

    The score is (2 sum(p y) + s) / (sum p + sum y + s).

    Args:
        probabilities: (B, C, *patch).
        reference: (B, C, *patch) boolean.
        valid: (B, 1, *patch) boolean; None if every voxel counts.
        batch_dice: whether to sum over the batch as well.
        world: the processes that share the batch.
    """
    probabilities = probabilities.float()
    if valid is not None:
        probabilities = probabilities * valid
        reference = reference & valid
    axes = tuple(range(2, probabilities.ndim))
    overlap = (probabilities * reference).sum(axes)
    predicted, present = probabilities.sum(axes), reference.sum(axes)
    if batch_dice:
        overlap, predicted, present = (world.sum(sums.sum(0)) for sums in (overlap, predicted, present))
    scores = (2 * overlap + SMOOTH) / (predicted + present + SMOOTH).clamp_min(1e-8)
    return scores.mean() if batch_dice else world.mean(scores)


def _highest(entropy: Tensor, counted: Tensor | None, fraction: float, world: World) -> Tensor:
    """Return the mean of the highest values; of fewer than 1 / fraction values their sum, as in nnU-Net."""
    entropy = entropy.float()
    kept = world.gather(entropy.flatten() if counted is None else entropy[counted])
    return kept.topk(int(kept.numel() * fraction)).values.mean() if kept.numel() >= 1 / fraction else kept.sum()


def _mean(entropy: Tensor, counted: Tensor | None, voxels: Tensor | None, world: World) -> Tensor:
    """Return the mean of the entropy over valid voxels.

    With an ignore label the sum over all channels is divided by the number of valid *voxels*, as in nnU-Net.
    """
    entropy = entropy.float()
    if counted is None or voxels is None:
        return world.mean(entropy)
    return world.sum((entropy * counted).sum()) / world.sum(voxels.sum()).clamp_min(1)
