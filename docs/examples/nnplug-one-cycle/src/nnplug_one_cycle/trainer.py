"""nnU-Net's procedure with another optimizer and another schedule."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

import torch

from nnplug_nnunet.training.trainer import PatchTrainer


@dataclass(frozen=True, kw_only=True)
class OneCycleTrainer(PatchTrainer):
    """AdamW whose learning rate rises linearly from 0 to its peak and falls back to 0 by half a cosine.

    The rise lets the averages of AdamW settle before steps are long, and the fall to 0 leaves weights that need no
    averaging, however short the training is.

    Attributes:
        epochs: a tenth of nnU-Net's.
        peak_lr: the highest learning rate.
        warm_up: share of the iterations in which it rises.
        betas: how much of the earlier averages of the gradient and of its square each iteration keeps.
        weight_decay: decoupled.
    """

    epochs: int = 100
    peak_lr: float = 5e-3
    warm_up: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing would be learnt."""
        super().__post_init__()
        self.check_positive("peak_lr")
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"warm_up is {self.warm_up}; it must be at least 0 and below 1")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas is {list(self.betas)}; each must be at least 0 and below 1")

    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """AdamW for all weights."""
        return torch.optim.AdamW(
            network.parameters(), lr=self.peak_lr, betas=self.betas, weight_decay=self.weight_decay, fused=True
        )

    def learning_rate(self, iteration: int) -> float:
        """The value in the middle of the iteration, so that neither the first nor the last is wasted at 0."""
        progress = (iteration + 0.5) / self.iterations
        if progress < self.warm_up:
            return self.peak_lr * progress / self.warm_up
        return self.peak_lr * (1 + cos(pi * (progress - self.warm_up) / (1 - self.warm_up))) / 2
