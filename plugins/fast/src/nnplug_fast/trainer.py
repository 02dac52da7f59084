"""The component `fast` of kind trainer: nnU-Net's training, with options that let it learn sooner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from nnplug.contracts import TrainingTask
from nnplug.errors import InvalidOptions
from nnplug.workspace.run_record import RunRecord
from nnplug_fast.class_bias import begin_with_frequencies
from nnplug_fast.growth import growing_settings
from nnplug_fast.muon import MOMENTUM, ROWS, Muon, split_kernels
from nnplug_fast.schedule import ScheduleName, learning_rate, warm_momentum
from nnplug_nnunet.training.averaged_weights import ExponentialAverage
from nnplug_nnunet.training.batch_settings import BatchSettings
from nnplug_nnunet.training.class_order import mirrored_orders
from nnplug_nnunet.training.patches.samplers import ClassBalanced
from nnplug_nnunet.training.schedule import make_optimizer
from nnplug_nnunet.training.state import PreparedWeights
from nnplug_nnunet.training.trainer import PatchTrainer

OptimizerName = Literal["sgd", "adamw", "muon"]

_SGD_MOMENTUM = 0.99


@dataclass(frozen=True, kw_only=True)
class FastTrainer(PatchTrainer):
    """nnU-Net's training; each option changes one thing of it, and without options the weights are nnU-Net's.

    Attributes:
        optimizer: SGD with Nesterov momentum; AdamW; or Muon for the kernels of hidden layers with AdamW for the other
            weights. The learning rate of AdamW serves for Muon.
        initial_lr: the highest learning rate.
        momentum: momentum of SGD and of Muon's kernels; None for 0.99 and 0.95.
        momentum_warmup: share of the iterations in which this momentum rises linearly from `momentum_start`.
        momentum_start: the momentum of the first iteration if `momentum_warmup` is above 0.
        muon_rows: the most outputs of a kernel that Muon orthogonalises together; fewer take less time.
        betas: shares of AdamW's averages of the gradient and of its square that an iteration keeps.
        weight_decay: L2 for SGD, decoupled for AdamW and Muon.
        schedule: "nnunet" is lr x (1 - epoch / epochs)^0.9. The others change in every iteration, and fall after the
            warm-up: by the same power, linearly, by half a cosine, or never.
        warmup: share of the iterations in which the learning rate rises linearly.
        ema: time constant of the moving average of the weights that is validated and saved, as a share of the
            iterations; 0 for no average.
        growth: "none" trains on the planned patches; otherwise they grow to them, see `ProgressiveTrainer`.
        balanced: share of the epochs, from the first one, in which the foreground patches of a batch are drawn from all
            classes equally often; see `ClassBalanced`. A sampler that the plans name stays.
        class_bias: whether a training from random weights begins with the frequencies of the classes in its patches.
        keep_order: whether axes along which two classes lie in one order in nearly every case are not mirrored; see
            `nnplug_nnunet.training.class_order`.
    """

    optimizer: OptimizerName = "sgd"
    initial_lr: float = 0.01
    momentum: float | None = None
    momentum_warmup: float = 0.0
    momentum_start: float = 0.85
    muon_rows: int = ROWS
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 3e-5
    schedule: ScheduleName = "nnunet"
    warmup: float = 0.0
    ema: float = 0.0
    growth: Literal["none", "efficiency", "performance"] = "none"
    balanced: float = 0.0
    class_bias: bool = False
    keep_order: bool = False

    def __post_init__(self) -> None:
        """Raise `InvalidOptions` if a number is out of range."""
        super().__post_init__()
        self.check_positive("initial_lr", "muon_rows")
        values = {"warmup": self.warmup, "momentum_warmup": self.momentum_warmup, "ema": self.ema}
        values |= {"momentum_start": self.momentum_start, "momentum": self._momentum}
        for name, value in values.items():
            if not 0 <= value < 1:
                raise InvalidOptions(f"trainer option {name} is {value}; it must be from 0 to below 1")
        if not 0 <= self.balanced <= 1:
            raise InvalidOptions(f"trainer option balanced is {self.balanced}; it must be from 0 to 1")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise InvalidOptions(f"trainer option betas is {list(self.betas)}; each must be from 0 to below 1")
        if self.weight_decay < 0:
            raise InvalidOptions(f"trainer option weight_decay is {self.weight_decay}; it must be at least 0")

    def adapted(self, task: TrainingTask) -> FastTrainer:
        """Return the trainer that keeps the order of classes, if that is wanted and they have one; with a notice."""
        if not self.keep_order:
            return self
        found = mirrored_orders(self, task, task.cases)
        for order in found:
            task.progress.notice(f"axis {order.axis} is not mirrored (trainer.keep_order): {order}")
        return replace(self, unmirrored_axes=(*self.unmirrored_axes, *(order.axis for order in found)))

    @property
    def _momentum(self) -> float:
        if self.momentum is not None:
            return self.momentum
        return MOMENTUM if self.optimizer == "muon" else _SGD_MOMENTUM

    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of all weights, with a momentum that rises if that is wanted."""
        optimizer = self._make_optimizer(network)
        rising = int(self.momentum_warmup * self.iterations)
        if rising and self.optimizer != "adamw":
            warm_momentum(optimizer, self.momentum_start, rising)
        return optimizer

    def _make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        if self.optimizer == "muon":
            kernels, others = split_kernels(network)
            return Muon(
                kernels,
                others,
                lr=self.initial_lr,
                weight_decay=self.weight_decay,
                momentum=self._momentum,
                rows=self.muon_rows,
                betas=self.betas,
            )
        return make_optimizer(
            self.optimizer,
            network.parameters(),
            lr=self.initial_lr,
            momentum=self._momentum,
            weight_decay=self.weight_decay,
            betas=None if self.optimizer == "sgd" else self.betas,
        )

    def learning_rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration by `schedule` and `warmup`."""
        return learning_rate(
            self.schedule,
            self.initial_lr,
            iteration,
            epochs=self.epochs,
            iterations_per_epoch=self.iterations_per_epoch,
            warmup=self.warmup,
        )

    def prepare_weights(self, network: torch.nn.Module) -> PreparedWeights | None:
        """Return the moving average of the weights, or None without."""
        constant = self.ema * self.iterations
        return ExponentialAverage(network, 1 - 1 / constant) if constant > 1 else None

    def batch_settings(self, task: TrainingTask, epoch: int) -> BatchSettings:
        """Return the settings of an epoch: patches by `growth`, and a sampler by `balanced` in the first epochs."""
        if self.growth == "none":
            settings = super().batch_settings(task, epoch)
        else:
            settings = growing_settings(
                task, epoch, epochs=self.epochs, growth=self.growth, oversampling=self.oversampling
            )
        if epoch >= self.balanced * self.epochs or task.sampler is not None:
            return settings
        return replace(settings, sampler=ClassBalanced(oversampling=self.oversampling))

    def initialise(self, task: TrainingTask, network: torch.nn.Module) -> None:
        """Begin with the frequencies of the classes if that is wanted and the weights are random."""
        if self.class_bias and not _is_pretrained(task):
            begin_with_frequencies(task, network, self.make_sampler(task, task.training))


def _is_pretrained(task: TrainingTask) -> bool:
    record = task.run.record
    return record.exists() and RunRecord.read(record).pretrained is not None
