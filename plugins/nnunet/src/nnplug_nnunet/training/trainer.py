"""The component `nnunet` of kind trainer: nnU-Net's training, with its choices as options."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from nnplug.contracts import Trainer, TrainingRehearsal, TrainingTask
from nnplug.errors import InvalidOptions
from nnplug_nnunet.training.loop import train
from nnplug_nnunet.training.rehearsal import rehearse
from nnplug_nnunet.training.schedule import AVERAGES, OptimizerName, ScheduleName, learning_rate, make_optimizer
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
        optimizer: SGD with Nesterov momentum, Adam, AdamW or Adan.
        initial_lr: learning rate of the first epoch after the warm-up, the highest.
        momentum: momentum of SGD.
        betas: weights of the averages of Adam, AdamW (two) and Adan (three); None for the usual ones.
        amsgrad: whether Adam and AdamW divide by the highest average of squared gradients so far.
        weight_decay: L2 for SGD and Adam, decoupled for AdamW and Adan.
        schedule: lr x (1 - epoch / epochs)^0.9, a half cosine, or constant; epochs of the warm-up are not counted.
        warmup_epochs: number of first epochs, over which the learning rate rises linearly.
    """

    optimizer: OptimizerName = "sgd"
    initial_lr: float = 0.01
    momentum: float = 0.99
    betas: tuple[float, ...] | None = None
    amsgrad: bool = False
    weight_decay: float = 3e-5
    schedule: ScheduleName = "poly"
    warmup_epochs: int = 0

    def __post_init__(self) -> None:
        """Raise `InvalidOptions` if a number is out of range."""
        super().__post_init__()
        self.check_positive("initial_lr")
        if self.warmup_epochs < 0:
            raise InvalidOptions(f"trainer option warmup_epochs is {self.warmup_epochs}; it must be at least 0")
        if not 0 <= self.momentum < 1:
            raise InvalidOptions(f"trainer option momentum is {self.momentum}; it must be from 0 to below 1")
        if self.weight_decay < 0:
            raise InvalidOptions(f"trainer option weight_decay is {self.weight_decay}; it must be at least 0")
        self._check_averages()

    def _check_averages(self) -> None:
        """Raise unless `betas` and `amsgrad` are for the optimiser."""
        if self.amsgrad and self.optimizer not in ("adam", "adamw"):
            raise InvalidOptions(f"trainer option amsgrad is for adam and adamw; optimizer is {self.optimizer}")
        wanted = len(AVERAGES.get(self.optimizer, ()))
        if self.betas is not None and not (len(self.betas) == wanted and all(0 <= beta < 1 for beta in self.betas)):
            numbers = f"{wanted} numbers from 0 to below 1" if wanted else "no betas"
            raise InvalidOptions(f"trainer option betas is {list(self.betas)}; {self.optimizer} takes {numbers}")

    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of all weights."""
        return make_optimizer(
            self.optimizer,
            network.parameters(),
            lr=self.initial_lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            betas=self.betas,
            amsgrad=self.amsgrad,
        )

    def learning_rate(self, iteration: int) -> float:
        """Return the learning rate, which is constant within an epoch, as in nnU-Net."""
        epoch = iteration // self.iterations_per_epoch
        return learning_rate(self.schedule, self.initial_lr, epoch, self.epochs, warmup=self.warmup_epochs)
