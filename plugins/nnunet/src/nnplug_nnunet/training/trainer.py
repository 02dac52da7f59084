"""The component `nnunet` of kind trainer: nnU-Net's procedure, each of its choices an option."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from nnplug.contracts import Trainer, TrainingTask
from nnplug_nnunet.training.loop import train
from nnplug_nnunet.training.options import PatchOptions
from nnplug_nnunet.training.schedule import OptimizerName, ScheduleName, learning_rate, make_optimizer


@dataclass(frozen=True, kw_only=True)
class PatchTrainer(PatchOptions):
    """Trains as nnU-Net 2.8.1 does; a subclass decides by two methods how a gradient moves the weights.

    Patches, losses, the watched Dice, checkpoints and exact resuming come with it. A subclass is a frozen data class
    with options of its own beside those of `PatchOptions`.
    """

    def extends(self, earlier: Trainer) -> bool:
        """More epochs, or another patience, and all else the same; see `nnplug.contracts.ExtensibleTrainer`."""
        if not isinstance(earlier, PatchTrainer) or self.epochs < earlier.epochs or self == earlier:
            return False
        return replace(self, epochs=earlier.epochs, patience=earlier.patience) == earlier

    def train(self, task: TrainingTask) -> None:
        """See `nnplug.contracts.Trainer`."""
        train(self, task)


@dataclass(frozen=True, kw_only=True)
class NnUNetTrainer(PatchTrainer):
    """Trains as nnU-Net 2.8.1 does by default; what it needs a class each for is an option here.

    Attributes:
        optimizer: SGD with Nesterov momentum, or AdamW.
        initial_lr: learning rate of the first epoch.
        momentum: of SGD.
        weight_decay: L2 for SGD, decoupled for AdamW.
        schedule: lr x (1 - epoch / epochs)^0.9, a half cosine, or constant.
    """

    optimizer: OptimizerName = "sgd"
    initial_lr: float = 0.01
    momentum: float = 0.99
    weight_decay: float = 3e-5
    schedule: ScheduleName = "poly"

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing would be learnt."""
        super().__post_init__()
        self.check_positive("initial_lr")

    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """The named one, for all weights."""
        return make_optimizer(
            self.optimizer,
            network.parameters(),
            lr=self.initial_lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )

    def learning_rate(self, iteration: int) -> float:
        """As in nnU-Net, the same throughout an epoch."""
        return learning_rate(self.schedule, self.initial_lr, iteration // self.iterations_per_epoch, self.epochs)
