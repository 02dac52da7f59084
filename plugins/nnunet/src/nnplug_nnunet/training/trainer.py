"""The component `nnunet` of kind trainer: nnU-Net's procedure, each of its choices an option."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch

from nnplug.contracts import Trainer, TrainingTask
from nnplug.errors import InvalidOptions
from nnplug_nnunet.training.compiling import Compile
from nnplug_nnunet.training.losses import LossName
from nnplug_nnunet.training.schedule import OptimizerName, ScheduleName, learning_rate, make_optimizer

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Place = Literal["auto", "device", "threads"]


@dataclass(frozen=True, kw_only=True)
class PatchTrainer(ABC):
    """Trains as nnU-Net 2.8.1 does, but for how a gradient moves the weights: a subclass says that by two methods.

    Patches, losses, the watched Dice, checkpoints and exact resuming come with it. A subclass is a frozen data class
    with options of its own.

    Attributes:
        epochs: epochs of training.
        iterations_per_epoch: batches to learn from per epoch.
        val_iterations_per_epoch: batches to watch per epoch.
        loss: soft Dice, cross-entropy (binary for regions), the highest tenth of the entropy, or sums of them.
        deep_supervision: whether coarser decoder outputs are trained too.
        mirroring: whether patches are mirrored; prediction follows.
        oversampling: share of a batch whose patches are centred on foreground.
        gradient_clip: largest norm of the gradient.
        patience: epochs without a better smoothed Dice after which training ends early; None for never, as nnU-Net.
        precision: of the network's arithmetic; "auto" is the fastest that the device trains well in.
        augment_on: where patches are transformed: in the threads that cut them, or in batches on the device that
            trains, where the augmenter can (else in the threads). "auto" is the device if it is a CUDA GPU.
        compile: whether `torch.compile` translates the network; "auto" does for long trainings on a CUDA GPU.
    """

    takes_previous_stage: ClassVar[bool] = True
    takes_several_devices: ClassVar[bool] = True

    epochs: int = 1000
    iterations_per_epoch: int = 250
    val_iterations_per_epoch: int = 50
    loss: LossName = "dice-ce"
    deep_supervision: bool = True
    mirroring: bool = True
    oversampling: float = 0.33
    gradient_clip: float = 12.0
    patience: int | None = None
    precision: Precision = "auto"
    augment_on: Place = "auto"
    compile: Compile = "auto"

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing would be learnt."""
        self.check_positive("epochs", "iterations_per_epoch", "val_iterations_per_epoch", "gradient_clip")
        if self.patience is not None and self.patience < 1:
            raise InvalidOptions(f"trainer option patience is {self.patience}; it must be at least 1, or null")
        if not 0 <= self.oversampling <= 1:
            raise InvalidOptions(f"trainer option oversampling is {self.oversampling}; it must be from 0 to 1")

    @abstractmethod
    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """What moves the weights. Its state dict, which is saved, holds tensors, numbers and strings only.

        Args:
            network: on its device, all of its parameters to be learnt.
        """

    @abstractmethod
    def learning_rate(self, iteration: int) -> float:
        """The learning rate of all parameter groups in an iteration: of nothing but its number and the options.

        Args:
            iteration: counted from 0 to `iterations` - 1 over the whole training.
        """

    @property
    def iterations(self) -> int:
        """Batches to learn from in the whole training."""
        return self.epochs * self.iterations_per_epoch

    def check_positive(self, *names: str) -> None:
        """Refuse options that are not above 0; for the `__post_init__` of subclasses.

        Raises:
            InvalidOptions: the first of them.
        """
        for name in names:
            if getattr(self, name) <= 0:
                raise InvalidOptions(f"trainer option {name} is {getattr(self, name)}; it must be above 0")

    def mirror_axes(self, dimensions: int) -> tuple[int, ...]:
        """All spatial axes, or none."""
        return tuple(range(dimensions)) if self.mirroring else ()

    def extends(self, earlier: Trainer) -> bool:
        """More epochs, or another patience, and all else the same; see `nnplug.contracts.ExtensibleTrainer`."""
        if not isinstance(earlier, PatchTrainer) or self.epochs < earlier.epochs or self == earlier:
            return False
        return replace(self, epochs=earlier.epochs, patience=earlier.patience) == earlier

    def train(self, task: TrainingTask) -> None:
        """See `nnplug.contracts.Trainer`."""
        from nnplug_nnunet.training.loop import train

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
