"""A loss: cross-entropy that forgives what is nearly right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from nnplug.errors import NnplugError

if TYPE_CHECKING:
    from nnplug.contracts import LossContext


@dataclass(frozen=True, kw_only=True)
class Focal:
    """Cross-entropy of each voxel, times its error to a power."""

    gamma: float = 2.0

    def bind(self, context: LossContext) -> Bound:
        """Return the loss for these labels."""
        if context.labels.has_regions:
            raise NnplugError("loss 'stranger-focal' takes classes, and these labels are regions")
        return Bound(self.gamma, context.labels.ignore)


@dataclass(frozen=True)
class Bound:
    """The loss for one dataset."""

    gamma: float
    ignore: int | None

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over the voxels that count."""
        label = target[:, 0].long()
        counted = torch.ones_like(label, dtype=torch.bool) if self.ignore is None else label != self.ignore
        each = torch.nn.functional.cross_entropy(logits, label.masked_fill(~counted, 0), reduction="none")
        each = each * (1 - (-each).exp()) ** self.gamma * counted
        return each.sum() / counted.sum().clamp(min=1)
