"""The steps of a training on patches; a subclass of `PatchTrainer` overrides those that it does otherwise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import torch
from torch import Tensor, nn

from nnplug.contracts import (
    LossContext,
    LossFunction,
    Sampler,
    Sampling,
    SamplingContext,
    TrainingLength,
    TrainingTask,
)
from nnplug.errors import InvalidOptions
from nnplug.remedies import Action
from nnplug_nnunet.training.batch_settings import BatchSettings, planned_settings
from nnplug_nnunet.training.callbacks import Callback
from nnplug_nnunet.training.losses import loss_of
from nnplug_nnunet.training.options import PatchOptions
from nnplug_nnunet.training.patches.samplers import OVERSAMPLING, ClassBalanced, NnunetSampler
from nnplug_nnunet.training.state import PatchBatch, PreparedWeights, Schedule, TrainingState, Validated


@dataclass(frozen=True, kw_only=True)
class PatchSteps(PatchOptions, ABC):
    """The options, and each step of the training as a method with nnU-Net's behaviour.

    A resumed training gives equal results if a step depends only on its arguments, the options, `TrainingState.random`
    and PyTorch's random state, which the loop seeds at the start of every epoch.
    """

    @abstractmethod
    def make_optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser; its saved state dict holds tensors, numbers and strings only.

        Args:
            network: on its device; all of its parameters are trained. A parameter group with a key "lr_scale" has this
                multiple of the learning rate.
        """

    def length(self, task: TrainingTask) -> TrainingLength:
        """Return the iterations of all epochs, and their voxels; `patience` may end the training earlier."""
        planned = planned_settings(task).voxels
        voxels = fmean(self.batch_settings(task, epoch).voxels for epoch in range(self.epochs))
        return replace(super().length(task), voxels=voxels / planned)

    def make_schedule(self) -> Schedule:
        """Return the schedule of the learning rate, by default `learning_rate`.

        It depends only on the iteration and the options, so that it needs no state.
        """
        return self.learning_rate

    def learning_rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration; define it, or `make_schedule`.

        Args:
            iteration: counted from 0 to `iterations` - 1 over the whole training.

        Raises:
            NotImplementedError: the trainer defines neither.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither learning_rate nor make_schedule")

    def make_loss(self, task: TrainingTask) -> LossFunction:
        """Return the loss of one resolution: the one that the plans name, or else nnU-Net's by the option `loss`.

        With several devices it returns the loss of the whole batch on each; see `nnplug.contracts.LossContext`.

        Raises:
            InvalidOptions: the plans name a loss, and the option `loss` names another.
        """
        if task.loss is not None and self.loss != PatchOptions.loss:
            raise InvalidOptions(
                f"trainer option loss is {self.loss!r}, and the plans name a loss as well",
                Action.SET_OPTION(assignment=f"trainer.loss={PatchOptions.loss}"),
            )
        context = LossContext(task.labels, task.configuration.batch_dice, task.world, task.device)
        return (task.loss or loss_of(self.loss)).bind(context)

    def make_sampler(self, task: TrainingTask, names: tuple[str, ...]) -> Sampling:
        """Return the rule that places patches: that of the sampler that the plans name, or else nnU-Net's.

        It is called for the training cases, and for the validation cases; again for the training cases in an epoch with
        other `batch_settings` than the one before.

        Args:
            task: the training.
            names: the cases to draw from.

        Raises:
            InvalidOptions: the plans name a sampler, and an option of sampling is set as well.
        """
        own = {"oversampling": self.oversampling, "oversampled": self.oversampled}
        default = {"oversampling": type(self).oversampling, "oversampled": type(self).oversampled}
        if task.sampler is not None and (changed := [name for name, value in own.items() if value != default[name]]):
            raise InvalidOptions(
                f"trainer option {changed[0]} is {own[changed[0]]}, and the plans name a sampler as well",
                Action.SET_OPTION(assignment=f"trainer.{changed[0]}={default[changed[0]]}"),
            )
        context = SamplingContext(task.cases, names, task.labels, task.configuration.batch_size)
        sampler = task.sampler or NnunetSampler(oversampling=self.oversampling, oversampled=self.oversampled)
        return sampler.bind(context)

    def batch_settings(self, task: TrainingTask, epoch: int) -> BatchSettings:  # noqa: ARG002 - for subclasses
        """Return the settings of the training batches of an epoch, by default those of the plans in every epoch.

        Validation and prediction always have the planned patch and batch. In an epoch with other sizes, the task that
        `make_sampler` and `training_step` get has these sizes in its configuration. The result depends on the arguments
        and the options alone, so that it needs no state; a callback can change it, see `Callback.batch_settings`.

        Args:
            task: the training as planned; `task.check_patch` raises for a patch that the network does not take.
            epoch: counted from 0 to `epochs` - 1.
        """
        return planned_settings(task)

    def initialise(self, task: TrainingTask, network: nn.Module) -> None:
        """Change the first weights of a training in place; by default they stay those that the task has.

        It is called once, before the optimiser is made; not when a training resumes or is extended. With several
        devices each process calls it, and must give the same weights.

        Args:
            task: the training; its cases have the index that the entry of the trainer or of the sampler names.
            network: on its device, before accelerators replace layers.
        """

    def rescue_sampler(self, task: TrainingTask) -> Sampler | None:
        """Return the sampler of training patches in a rescue (option `rescue`); None for that of the other epochs.

        By default it draws all classes equally often, unless the plans name a sampler, which stays.
        """
        if task.sampler is not None:
            return None
        return ClassBalanced(oversampling=max(self.oversampling, OVERSAMPLING))

    def prepare_weights(self, network: nn.Module) -> PreparedWeights | None:  # noqa: ARG002 - for subclasses
        """Return weights to validate, to save and to predict with instead of those in training; None for the same.

        The weights in training go on as they are. Both are in the state of a stopped training.

        Args:
            network: on its device.
        """
        return None

    def callbacks(self) -> Sequence[Callback]:
        """Return objects that the loop calls at the events of one training, in this order; each training asks anew."""
        return ()

    def training_step(self, state: TrainingState, batch: PatchBatch) -> Tensor:
        """Update the weights with one batch; return the loss, a scalar without gradient on the device.

        Do not copy values to the host (`item()`, `float()`): the device would wait for it in every iteration.
        """
        state.zero_gradients()
        loss = state.supervised_loss(state.forward(batch.image), batch.target)
        state.backward(loss)
        state.update(self.gradient_clip)
        return loss.detach()

    def validation_step(self, state: TrainingState, batch: PatchBatch) -> Validated:
        """Return loss and logits of a validation batch; the network is in evaluation mode and has no gradients."""
        logits = state.forward(batch.image)
        return Validated(state.supervised_loss(logits, batch.target), logits[0])
