"""A trainer: nnU-Net's, whose validated and saved weights are a moving average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnplug_nnunet.training.averaged_weights import ExponentialAverage
from nnplug_nnunet.training.trainer import NnUNetTrainer

if TYPE_CHECKING:
    import torch

    from nnplug_nnunet.training.state import PreparedWeights


@dataclass(frozen=True, kw_only=True)
class Averaging(NnUNetTrainer):
    """nnU-Net's training with an exponential moving average (EMA) of the weights."""

    decay: float = 0.9

    def prepare_weights(self, network: torch.nn.Module) -> PreparedWeights:
        """Return the average of the weights so far."""
        return ExponentialAverage(network, self.decay)
