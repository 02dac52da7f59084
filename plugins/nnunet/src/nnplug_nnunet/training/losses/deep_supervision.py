"""Losses at several resolutions: each decoder output against a target of its size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from nnplug.contracts import LossFunction
from nnplug.contracts.attributed.loss import AttributedLossFunction
from nnplug.errors import InvalidPlugin
from nnplug.registry.attribution import attributed, name_of


def weights(outputs: int) -> tuple[float, ...]:
    """Return the weights of the outputs, fine to coarse: 1, 1/2, 1/4 .., normalised to sum 1.

    The coarsest output has weight 0 unless it is the only one.
    """
    raw = [0.5**level for level in range(outputs)]
    if outputs > 1:
        raw[-1] = 0.0
    return tuple(weight / sum(raw) for weight in raw)


def downsample(target: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a target (B, C, *patch) at a coarser shape; a voxel takes the value at its centre ("nearest-exact")."""
    if all(size % coarse == 0 for size, coarse in zip(target.shape[2:], shape, strict=True)):
        factors = [size // coarse for size, coarse in zip(target.shape[2:], shape, strict=True)]
        middle = (slice(None), slice(None), *(slice(factor // 2, None, factor) for factor in factors))
        return target[middle]  # a view: nothing is computed
    for axis, size in enumerate(shape, start=2):
        if target.shape[axis] != size:
            centres = (torch.arange(size, device=target.device) + 0.5) * (target.shape[axis] / size)
            target = target.index_select(axis, centres.long())
    return target


class DeepLoss(ABC):
    """A loss that computes all resolutions together, because they share masks of the target and small operations."""

    @abstractmethod
    def supervised(self, outputs: Sequence[Tensor], target: Tensor, shares: Sequence[float]) -> Tensor:
        """Return the weighted sum of the loss over the outputs, a scalar.

        Args:
            outputs: logits (B, K, *size) from fine to coarse.
            target: (B, 1, *patch).
            shares: the weight of each output, above 0.
        """

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """See `nnplug.contracts.LossFunction`."""
        return self.supervised([logits], target, (1.0,))


def supervised_loss(loss: LossFunction, outputs: Sequence[Tensor], target: Tensor) -> Tensor:
    """Return the weighted sum of the loss over the outputs, from fine to coarse.

    Outputs of weight 0 are not computed.

    Args:
        loss: the loss of one resolution, or a `DeepLoss`.
        outputs: logits (B, K, *size) from fine to coarse.
        target: (B, 1, *patch).
    """
    if isinstance(loss, AttributedLossFunction):
        return _attributed_loss(loss, outputs, target)
    return _weighted_loss(loss, outputs, target)


def _attributed_loss(loss: AttributedLossFunction, outputs: Sequence[Tensor], target: Tensor) -> Tensor:
    """Return the loss over the outputs; raise `InvalidPlugin`, which names the loss, if it has no gradient."""
    deep = isinstance(loss.function, DeepLoss)
    with attributed(loss.loss):
        value = _weighted_loss(loss.function if deep else loss, outputs, target)
    if outputs[0].requires_grad and not value.requires_grad:
        raise InvalidPlugin(
            f"{name_of(loss.loss)} gave a loss without gradient; compute it by torch alone, without item(), numpy() "
            "and detach()"
        )
    return value


def _weighted_loss(loss: LossFunction, outputs: Sequence[Tensor], target: Tensor) -> Tensor:
    used = {level: weight for level, weight in enumerate(weights(len(outputs))) if weight}
    if isinstance(loss, DeepLoss):
        return loss.supervised([outputs[level] for level in used], target, tuple(used.values()))
    terms = [loss(outputs[level], downsample(target, outputs[level].shape[2:])) for level in used]
    return weighted_sum(terms, tuple(used.values()))


def weighted_sum(terms: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Return the sum of tensors of one shape, each multiplied by its share."""
    total = terms[0] * shares[0]
    for term, share in zip(terms[1:], shares[1:], strict=True):
        total = torch.add(total, term, alpha=share)
    return total
