"""The data that the steps of a training get: the batch, and the parts of the running training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from nnplug.contracts import LossFunction, TrainingTask
from nnplug.runtime.device import autocast
from nnplug.runtime.distributed.gradients import GradientSum
from nnplug.runtime.seeds import generator
from nnplug_nnunet.training.compiling import Forward
from nnplug_nnunet.training.losses.deep_supervision import supervised_loss

_STEP = 4  # the random stream of `TrainingState.random`

Schedule = Callable[[int], float]
"""Iteration, counted from 0 over the whole training -> learning rate."""

_ONE_RESOLUTION = "the network returns logits at one resolution; it is trained without deep supervision"


class PreparedWeights(Protocol):
    """Weights derived from those in training, such as their moving average; see `PatchTrainer.prepare_weights`."""

    def update(self) -> None:
        """Follow the network; called after every iteration. It must not copy values to the host, which is slow."""
        ...

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the derived tensors by their names in the network's state dict; other tensors stay as trained."""
        ...

    def state_dict(self) -> Mapping[str, Any]:
        """Return what a resumed training continues from: tensors, numbers and strings, in dictionaries and lists."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from an earlier `state_dict`."""
        ...


@dataclass(frozen=True)
class PatchBatch:
    """A batch on the training device.

    Attributes:
        image: (B, C, *patch) float32.
        target: (B, 1, *patch) int16 label values; with several devices B is this process's part of the batch.
    """

    image: Tensor
    target: Tensor


@dataclass(frozen=True)
class Validated:
    """The result of a validation step.

    Attributes:
        loss: scalar.
        logits: (B, K, *patch) at full resolution, for the pseudo Dice.
    """

    loss: Tensor
    logits: Tensor


@dataclass(frozen=True)
class TrainingState:
    """The parts of a running training at one iteration; steps and callbacks get it.

    Attributes:
        task: data, device, folder and processes of the training. In `training_step` its configuration has the patch
            size and the batch size of the epoch, see `PatchTrainer.batch_settings`; elsewhere those of the plans.
        network: on the device, with the weights in training.
        optimizer: of `PatchTrainer.make_optimizer`; its learning rate is that of this iteration.
        loss: of `PatchTrainer.make_loss`, for one resolution.
        scaler: scales the loss in float16 training, else does nothing.
        dtype: number type of convolutions, None for float32.
        compute: the network, compiled for the batches of the epoch if that is wanted.
        deep_supervision: whether the loss includes coarser decoder outputs.
        epoch: counted from 0.
        iteration: counted from 0 over the whole training; in a validation that of the epoch's last iteration.
        rescued: whether the epoch is one of a rescue (option `rescue`); for trainers with a momentum of their own.
        gradients: the sums of gradients over all devices; None for one device.
        noticed: notices that the user has got.
    """

    task: TrainingTask
    network: nn.Module
    optimizer: torch.optim.Optimizer
    loss: LossFunction
    scaler: torch.amp.GradScaler
    dtype: torch.dtype | None
    compute: Forward
    deep_supervision: bool
    epoch: int = 0
    iteration: int = 0
    rescued: bool = False
    gradients: GradientSum | None = field(default=None, repr=False, compare=False)
    noticed: set[str] = field(default_factory=set, repr=False, compare=False)

    @property
    def random(self) -> np.random.Generator:
        """A new generator for the draws of this iteration: equal on every device and after a resume."""
        return generator(self.task.seed, _STEP, self.epoch, self.iteration)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the logits of an image (B, C, *patch): (B, K, *size) float32, from fine to coarse.

        Without deep supervision, and in validation, only those at full resolution. Results of other heads, which have
        another number of axes, are left out; see `results`.
        """
        scales = [one for one in self._computed(image) if one.ndim == image.ndim]
        if self.network.training and self.deep_supervision and len(scales) == 1:
            self._notice_once(_ONE_RESOLUTION)
        used = scales if self.deep_supervision else scales[:1]
        return [logits.float() for logits in used]

    def results(self, image: Tensor) -> list[Tensor]:
        """Return all results of the network for an image (B, C, *patch), float32, in its order.

        A network with further heads returns their results after the logits, in training mode.
        """
        return [one.float() for one in self._computed(image)]

    def supervised_loss(self, logits: Sequence[Tensor], target: Tensor) -> Tensor:
        """Return the loss, summed over the resolutions with weights 1, 1/2, 1/4 .. and 0 for the coarsest.

        Args:
            logits: (B, K, *size) from fine to coarse, as `forward` returns them.
            target: (B, 1, *patch) label values.
        """
        return supervised_loss(self.loss, logits, target)

    def zero_gradients(self) -> None:
        """Remove the gradients of earlier iterations."""
        self.optimizer.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a scalar loss to the gradients of the weights."""
        torch.autograd.backward(self.scaler.scale(loss))

    def update(self, clip: float | None) -> None:
        """Update the weights: sum the gradients of all devices, limit their norm and take a step of the optimiser.

        Args:
            clip: largest norm of the gradient; None for no limit.
        """
        if self.gradients is not None:
            self.gradients.finish()
        self.scaler.unscale_(self.optimizer)
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _computed(self, image: Tensor) -> Sequence[Tensor]:
        with autocast(image.device, self.dtype):
            outputs = self.compute(image)
        return [outputs] if isinstance(outputs, Tensor) else outputs

    def _notice_once(self, notice: str) -> None:
        if notice not in self.noticed:
            self.noticed.add(notice)
            self.task.progress.notice(notice)
