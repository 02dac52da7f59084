"""The options of a training on patches, as the training loop reads them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import torch

from nnplug.contracts import TrainingLength, TrainingTask
from nnplug.errors import InvalidOptions
from nnplug_nnunet.training.compiling import Compile
from nnplug_nnunet.training.losses import LossName

Precision = Literal["auto", "float32", "bfloat16", "float16"]
SampleIndex = Literal["auto", "device", "threads"]


@dataclass(frozen=True, kw_only=True)
class PatchOptions(ABC):
    """The options that the training loop reads, and the two methods that decide how a gradient moves the weights.

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
    augment_on: SampleIndex = "auto"
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
        """Return the optimizer. Its state dict, which is saved, holds tensors, numbers and strings only.

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

    def length(self, task: TrainingTask) -> TrainingLength:  # noqa: ARG002 - the same for any number of cases
        """Return the iterations of all epochs; `patience` may end the training earlier."""
        return TrainingLength(self.iterations, self.epochs * self.val_iterations_per_epoch, self.epochs)

    def options_for(self, length: TrainingLength) -> Mapping[str, Any]:
        """See `nnplug.contracts.Trainer`."""
        return {
            "epochs": length.log_lines,
            "iterations_per_epoch": ceil(length.iterations / length.log_lines),
            "val_iterations_per_epoch": max(1, ceil(length.validation_iterations / length.log_lines)),
        }

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
