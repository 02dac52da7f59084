"""nnU-Net's training with another optimiser and another schedule."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

import torch

from nnplug_nnunet.training.trainer import PatchTrainer


@dataclass(frozen=True, kw_only=True)
class OneCycleTrainer(PatchTrainer):
    """AdamW with a learning rate that rises linearly from 0 to its peak and falls back to 0 by half a cosine.

    The averages of AdamW settle during the rise, before steps are long. The fall to 0 leaves weights that need no
    averaging, even after a short training.

    Attributes:
        epochs: a tenth of nnU-Net's.
        peak_lr: the highest learning rate.
        warm_up: share of the iterations in which it rises.
        betas: share of the earlier averages of the gradient and of its square that each iteration keeps.
        weight_decay: decoupled.
    """

    epochs: int = 100
    peak_lr: float = 5e-3
    warm_up: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        """Raise an error if a number is out of range.

        Raises:
            InvalidOptions: an option that must be above 0 is not.
            ValueError: `warm_up` or `betas` is out of range.
        """
        super().__post_init__()
        self.check_positive("peak_lr")
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"warm_up is {self.warm_up}; it must be at least 0 and below 1")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas is {list(self.betas)}; each must be at least 0 and below 1")

    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """Return AdamW for all weights."""
        return torch.optim.AdamW(
            network.parameters(), lr=self.peak_lr, betas=self.betas, weight_decay=self.weight_decay, fused=True
        )

    def learning_rate(self, iteration: int) -> float:
        """Return the schedule's value in the middle of the iteration, so that no iteration has rate 0."""
        progress = (iteration + 0.5) / self.iterations
        if progress < self.warm_up:
            return self.peak_lr * progress / self.warm_up
        return self.peak_lr * (1 + cos(pi * (progress - self.warm_up) / (1 - self.warm_up))) / 2
