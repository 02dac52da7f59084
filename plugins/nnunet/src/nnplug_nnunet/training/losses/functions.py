"""Losses of nnU-Net 2.8.1: soft Dice with cross-entropy or, for regions, binary cross-entropy.

Logits are (B, K, *patch) float, targets (B, 1, *patch) integers. Voxels with the ignore label do not count.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from nnplug.contracts import LossFunction
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidOptions
from nnplug.remedies import Action
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug_nnunet.training.losses.deep_supervision import DeepLoss, downsample, weighted_sum
from nnplug_nnunet.training.losses.details import DEFAULTS, SMOOTH, Details
from nnplug_nnunet.training.losses.statistics import (
    Statistics,
    channel_sums,
    class_statistics,
    region_statistics,
)

LossName = Literal["dice-ce", "dice", "ce", "topk", "dice-topk"]


def make_loss(
    name: LossName,
    labels: Labels,
    *,
    batch_dice: bool,
    world: World = SINGLE_PROCESS,
    details: Details = DEFAULTS,
    device: torch.device | None = None,
) -> LossFunction:
    """Return the loss of this name for classes, or its counterpart for regions.

    Args:
        name: the terms that are summed.
        labels: classes or regions, and the ignore label.
        batch_dice: whether Dice sums over the batch as if it were one volume.
        world: the processes that share the batch; every rank gets the loss of the whole batch.
        details: numbers of the terms.
        device: the device of the training; None for that of the target.

    Raises:
        InvalidOptions: labels are smoothed, and there are regions.
    """
    if not labels.has_regions:
        return ClassLoss(name, labels.ignore, batch_dice, world, details, device)
    if details.label_smoothing:
        raise InvalidOptions(
            f"loss option label_smoothing is {details.label_smoothing}; it is for classes that exclude each other, and "
            "the labels are regions",
            Action.SET_OPTION(assignment="loss.label_smoothing=0"),
        )
    return RegionLoss(name, labels.ignore, batch_dice, world, details, device, regions=labels.foreground)


@dataclass(frozen=True)
class _Terms(DeepLoss):
    """The sum of Dice and cross-entropy, whatever the labels are.

    Attributes:
        name: the terms that are summed.
        ignore: label value of voxels that do not count, or None.
        batch_dice: whether Dice sums over the batch as if it were one volume.
        world: the processes that share the batch.
        details: numbers of the terms.
        device: the device of the training; None for that of the target.
    """

    name: LossName
    ignore: int | None
    batch_dice: bool
    world: World = SINGLE_PROCESS
    details: Details = DEFAULTS
    device: torch.device | None = None

    @abstractmethod
    def reference(self, target: Tensor, outputs: int) -> Masks:
        """Return what the logits are compared with: classes (B, 1, *patch) or None, and masks (B, outputs, *patch)."""

    @abstractmethod
    def statistics(self, logits: Tensor, masks: Masks) -> Statistics:
        """Return cross-entropies and sums of one resolution."""

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of one resolution, where nothing else is needed."""

    @abstractmethod
    def cross_entropy(self, logits: Tensor, masks: Masks) -> Tensor:
        """Return the cross-entropies of one resolution, where nothing else is needed."""

    @abstractmethod
    def scored(self, sums: Tensor) -> Tensor:
        """Return the channels (.., C) that Dice scores, of sums (.., K)."""

    def supervised(self, outputs: Sequence[Tensor], target: Tensor, shares: Sequence[float]) -> Tensor:
        """See `DeepLoss`."""
        whole = self.reference(target, outputs[0].shape[1])
        if (self.device or target.device).type == "cpu" and "dice" in self.name:
            whole = replace(whole, masks=whole.masks.float())
        levels = [whole.at(logits.shape[2:]) for logits in outputs]
        pairs = list(zip(outputs, levels, strict=True))
        if "dice" not in self.name:
            return weighted_sum([self._mean(self.cross_entropy(*pair), pair[1]) for pair in pairs], shares)
        if self.name == "dice":
            sums = [channel_sums(self.probabilities(logits), one.masks, one.valid) for logits, one in pairs]
            return -self._dice(sums, levels, shares)
        found = [self.statistics(*pair) for pair in pairs]
        dice = self._dice([one[1:] for one in found], levels, shares)
        smoothed = self.details.label_smoothing > 0
        terms = [self.cross_entropy(*pair) if smoothed else one[0] for pair, one in zip(pairs, found, strict=True)]
        cross_entropies = [self._mean(one, masks) for one, masks in zip(terms, levels, strict=True)]
        return weighted_sum(cross_entropies, shares) - dice

    def _dice(self, sums: Sequence[tuple[Tensor, Tensor]], levels: Sequence[Masks], shares: Sequence[float]) -> Tensor:
        """Return the weighted sum of the levels' mean Dice.

        Args:
            sums: `channel_sums` of each level.
            levels: the masks of each.
            shares: the weight of each.
        """
        overlap, predicted = map(torch.stack, zip(*sums, strict=True))
        present = torch.stack([masks.sums() for masks in levels])
        if self.batch_dice:
            overlap, predicted, present = (self.world.sum(part.sum(1)) for part in (overlap, predicted, present))
        sums_of_scored = map(self.scored, (overlap, predicted, present))
        scores = weighted_sum(_scores(*sums_of_scored, smooth=self.details.smooth).unbind(), shares)
        return scores.mean() if self.batch_dice else self.world.mean(scores)

    def _mean(self, cross_entropy: Tensor, masks: Masks) -> Tensor:
        """Return the mean cross-entropy of the voxels that count: of all, or of the highest."""
        valid = masks.valid if masks.valid is None or cross_entropy.ndim == masks.valid.ndim else masks.valid[:, 0]
        counted = None if valid is None else valid.expand_as(cross_entropy)
        if self.name.endswith("topk"):
            return _highest(cross_entropy, counted, self.details.top_fraction, self.world)
        return _mean(cross_entropy, counted, valid, self.world)


@dataclass(frozen=True)
class ClassLoss(_Terms):
    """The loss for exclusive classes: softmax Dice without the background, plus cross-entropy."""

    def reference(self, target: Tensor, outputs: int) -> Masks:
        """See `_Terms`."""
        labels = target.long()
        valid = None if self.ignore is None else labels != self.ignore
        labels = labels if valid is None else labels.masked_fill(~valid, 0)
        classes = torch.arange(outputs, device=target.device).view(-1, *(1,) * (target.ndim - 2))
        return Masks(labels == classes, valid, labels)

    def statistics(self, logits: Tensor, masks: Masks) -> Statistics:
        """See `_Terms`."""
        assert masks.labels is not None
        return class_statistics(logits, masks.labels, masks.masks, masks.valid)

    def probabilities(self, logits: Tensor) -> Tensor:
        """See `_Terms`."""
        return logits.softmax(1)

    def cross_entropy(self, logits: Tensor, masks: Masks) -> Tensor:
        """See `_Terms`."""
        assert masks.labels is not None
        smoothing = self.details.label_smoothing
        return functional.cross_entropy(logits, masks.labels[:, 0], reduction="none", label_smoothing=smoothing)

    def scored(self, sums: Tensor) -> Tensor:
        """See `_Terms`; the background is left out."""
        return sums[..., 1:]


@dataclass(frozen=True, kw_only=True)
class RegionLoss(_Terms):
    """The loss for overlapping regions: sigmoid Dice of every region, plus binary cross-entropy.

    Attributes:
        regions: label values of each region, in the order of the logits.
    """

    regions: tuple[tuple[int, ...], ...]

    def reference(self, target: Tensor, outputs: int) -> Masks:  # noqa: ARG002 - that of the regions
        """See `_Terms`."""
        return Masks(region_masks(target, self.regions), None if self.ignore is None else target != self.ignore)

    def statistics(self, logits: Tensor, masks: Masks) -> Statistics:
        """See `_Terms`."""
        return region_statistics(logits, masks.masks, masks.valid)

    def probabilities(self, logits: Tensor) -> Tensor:
        """See `_Terms`."""
        return logits.sigmoid()

    def cross_entropy(self, logits: Tensor, masks: Masks) -> Tensor:
        """See `_Terms`."""
        return functional.binary_cross_entropy_with_logits(logits, masks.masks.to(logits.dtype), reduction="none")

    def scored(self, sums: Tensor) -> Tensor:
        """See `_Terms`."""
        return sums


@dataclass(frozen=True)
class Masks:
    """A target as masks.

    Attributes:
        masks: (B, C, *size) boolean, of classes or regions; on a CPU float32, with which it multiplies faster.
        valid: (B, 1, *size) boolean, the voxels that count; None for all.
        labels: (B, 1, *size) int64 classes; None for regions.
    """

    masks: Tensor
    valid: Tensor | None
    labels: Tensor | None = None

    def at(self, shape: Sequence[int]) -> Masks:
        """Return the masks at a coarser shape."""
        masks, valid, labels = (
            None if part is None else downsample(part, shape) for part in (self.masks, self.valid, self.labels)
        )
        assert masks is not None
        return Masks(masks, valid, labels)

    def sums(self) -> Tensor:
        """Return the number of voxels of each mask that count, (B, C)."""
        counted = self.masks if self.valid is None else self.masks * self.valid
        return counted.sum(tuple(range(2, counted.ndim)))


def region_masks(target: Tensor, regions: tuple[tuple[int, ...], ...]) -> Tensor:
    """Return boolean masks (B, regions, *patch) of a label map (B, 1, *patch).

    Label values are compared one by one: `torch.isin` is four times slower on a CPU, and a GPU would wait for a copy of
    them.
    """
    of_value = {value: target == value for value in sorted({value for values in regions for value in values})}
    return torch.cat([reduce(torch.logical_or, [of_value[value] for value in values]) for values in regions], dim=1)


def _scores(overlap: Tensor, predicted: Tensor, present: Tensor, *, smooth: float = SMOOTH) -> Tensor:
    return (2 * overlap + smooth) / (predicted + present + smooth).clamp_min(1e-8)


def _highest(cross_entropy: Tensor, counted: Tensor | None, fraction: float, world: World) -> Tensor:
    """Return the mean of the highest values; of fewer than 1 / fraction values their sum, as in nnU-Net."""
    cross_entropy = cross_entropy.float()
    kept = world.gather(cross_entropy.flatten() if counted is None else cross_entropy[counted])
    return kept.topk(int(kept.numel() * fraction)).values.mean() if kept.numel() >= 1 / fraction else kept.sum()


def _mean(cross_entropy: Tensor, counted: Tensor | None, voxels: Tensor | None, world: World) -> Tensor:
    """Return the mean of the cross-entropy over valid voxels.

    With an ignore label the sum over all channels is divided by the number of valid *voxels*, as in nnU-Net.
    """
    cross_entropy = cross_entropy.float()
    if counted is None or voxels is None:
        return world.mean(cross_entropy)
    return world.sum((cross_entropy * counted).sum()) / world.sum(voxels.sum()).clamp_min(1)
