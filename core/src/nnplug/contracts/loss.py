"""Losses: what a trainer minimises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nnplug.runtime.distributed import SINGLE_PROCESS, World

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nnplug.dataset.labels import Labels


@dataclass(frozen=True)
class LossContext:
    """The decisions that a loss depends on.

    Attributes:
        labels: classes or regions, and the ignore label. Without regions the K outputs are the classes with the
            background first; with regions they are `labels.foreground`.
        batch_dice: whether sums of overlap include the whole batch as if it were one volume, or each sample alone.
        world: the processes that share the batch. Sum over the batch by its methods, so that every process gets the
            loss of the whole batch.
        device: the device of the training, if something is computed otherwise there; None for that of the logits.
    """

    labels: Labels
    batch_dice: bool
    world: World = SINGLE_PROCESS
    device: torch.device | None = None


class LossFunction(Protocol):
    """The loss of one resolution; a trainer with deep supervision calls it for each."""

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a finite scalar with a gradient to the logits.

        Args:
            logits: (B, K, *patch) float32, with 2 or 3 spatial axes.
            target: (B, 1, *patch) integers, label values. Voxels with the ignore label do not count.
        """
        ...


class Loss(Protocol):
    """A component that defines a loss.

    Trainers whose entry has `takes_loss=True` minimise the loss that the plans name.
    """

    def bind(self, context: LossContext) -> LossFunction:
        """Return the loss for these labels.

        Raises:
            NnplugError: the loss cannot use them, for example because it knows no regions.
        """
        ...
