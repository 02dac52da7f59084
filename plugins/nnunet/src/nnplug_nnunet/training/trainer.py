"""The component `nnunet` of kind trainer: nnU-Net's training, with its choices as options."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from nnplug.contracts import Trainer, TrainingRehearsal, TrainingTask
from nnplug_nnunet.training.loop import train
from nnplug_nnunet.training.rehearsal import rehearse
from nnplug_nnunet.training.schedule import OptimizerName, ScheduleName, learning_rate, make_optimizer
from nnplug_nnunet.training.steps import PatchSteps


@dataclass(frozen=True, kw_only=True)
class PatchTrainer(PatchSteps):
    """A trainer on patches as in nnU-Net 2.8.1; a subclass defines the optimiser and its learning rate.

    It comes with patches, losses, a pseudo Dice per epoch, checkpoints and exact resuming. A subclass is a frozen data
    class; it can add options to those of `PatchOptions` and override the steps of `PatchSteps`.
    """

    def extends(self, earlier: Trainer) -> bool:
        """Return whether only epochs (not fewer) and patience differ; see `nnplug.contracts.ExtensibleTrainer`."""
        if not isinstance(earlier, PatchTrainer) or self.epochs < earlier.epochs or self == earlier:
            return False
        return replace(self, epochs=earlier.epochs, patience=earlier.patience) == earlier

    def train(self, task: TrainingTask) -> None:
        """See `nnplug.contracts.Trainer`."""
        train(self, task)

    def rehearse(self, task: TrainingTask, place: torch.device) -> TrainingRehearsal:
        """See `nnplug.contracts.RehearsingTrainer`; what `torch.compile` saves is not known."""
        return rehearse(replace(self, compile="never"), task, place)


@dataclass(frozen=True, kw_only=True)
class NnUNetTrainer(PatchTrainer):
    """nnU-Net 2.8.1's default training; options replace nnU-Net's trainer subclasses.

    Attributes:
        optimizer: SGD with Nesterov momentum, or AdamW.
        initial_lr: learning rate of the first epoch.
        momentum: momentum of SGD.
        weight_decay: L2 for SGD, decoupled for AdamW.
        schedule: lr x (1 - epoch / epochs)^0.9, a half cosine, or constant.
    """

    optimizer: OptimizerName = "sgd"
    initial_lr: float = 0.01
    momentum: float = 0.99
    weight_decay: float = 3e-5
    schedule: ScheduleName = "poly"

    def __post_init__(self) -> None:
        """Raise `InvalidOptions` if a number is out of range."""
        super().__post_init__()
        self.check_positive("initial_lr")

    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of all weights."""
        return make_optimizer(
            self.optimizer,
            network.parameters(),
            lr=self.initial_lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )

    def learning_rate(self, iteration: int) -> float:
        """Return the learning rate, which is constant within an epoch, as in nnU-Net."""
        return learning_rate(self.schedule, self.initial_lr, iteration // self.iterations_per_epoch, self.epochs)
