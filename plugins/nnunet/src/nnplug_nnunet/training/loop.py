"""The training loop: epochs of patches, a validation after each, and a state to continue from after a kill."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from nnplug.contracts import LogLine, TrainingTask, append_log, truncate_log
from nnplug.errors import NnplugError
from nnplug.registry.attribution import broken, name_of
from nnplug.remedies import Action
from nnplug.runtime.device import fixed_shapes
from nnplug.runtime.progress import Advance
from nnplug.runtime.seeds import generator
from nnplug.training.plots import draw_curves
from nnplug_nnunet.training.averaged_weights import holding
from nnplug_nnunet.training.batch_settings import BatchSettings
from nnplug_nnunet.training.callbacks import CallbackList, EpochValidation
from nnplug_nnunet.training.checkpoint import TrainingProgress
from nnplug_nnunet.training.class_order import notice_mirrored_orders
from nnplug_nnunet.training.compiling import Forward
from nnplug_nnunet.training.epoch_batches import EpochBatches
from nnplug_nnunet.training.graphs.choice import choose_step
from nnplug_nnunet.training.graphs.graphed_step import GraphedStep, Step
from nnplug_nnunet.training.parts import compiled_network, is_compiled, make_parts, moved_network
from nnplug_nnunet.training.patches.device_batches import DeviceBatches
from nnplug_nnunet.training.patches.loading import PatchLoader
from nnplug_nnunet.training.patches.source import Stream
from nnplug_nnunet.training.rescue import Rescue
from nnplug_nnunet.training.saving import TrainingFiles
from nnplug_nnunet.training.schedule import checked_rate
from nnplug_nnunet.training.scores import confusion, dice, mean_dice, present
from nnplug_nnunet.training.setup import check_together, complete_patch_centres, make_loader
from nnplug_nnunet.training.state import PatchBatch, TrainingState
from nnplug_nnunet.training.steps import PatchSteps
from nnplug_nnunet.training.throttle import Throttle

# Largest shares of the time; so a kill loses at most the training time of twenty saves.
_SAVING, _DRAWING = 1 / 20, 1 / 100
_DROPOUT = 3  # the random stream of torch's own layers


def train(trainer: PatchSteps, task: TrainingTask) -> None:
    """Train a fold to the end; see `nnplug.contracts.Trainer.train`."""
    Training(trainer, task).run()


class Training:
    """The training of one fold: network, optimiser, progress, and their files."""

    def __init__(self, trainer: PatchSteps, task: TrainingTask) -> None:
        """Move the network to the device, and give it its first weights or those of an interrupted training."""
        self.trainer, self.task, self.world = trainer, task, task.world
        complete_patch_centres(task)
        self._is_compiled = is_compiled(trainer, task)
        network = moved_network(task, compiled=self._is_compiled)
        if not task.run.state.exists():
            if self.world.is_main and task.sampler is None:  # other samplers store no voxels of each class
                notice_mirrored_orders(trainer, task)
            trainer.initialise(task, network)
        parts = make_parts(trainer, task, network, task.device)
        self.network, self.scaler, self.optimizer = parts.network, parts.scaler, parts.optimizer
        self.schedule = trainer.make_schedule()
        self.rescue = Rescue(trainer, task, self.optimizer)
        self.prepared = trainer.prepare_weights(self.network)
        self.callbacks = CallbackList(trainer.callbacks(), trainer)
        self.files = TrainingFiles(
            task.run,
            self.network,
            self.optimizer,
            self.scaler,
            self.prepared,
            self.callbacks,
            is_main=self.world.is_main,
        )
        self.position = self.files.restore() if task.run.state.exists() else TrainingProgress()
        self._saving, self._drawing = Throttle(_SAVING), Throttle(_DRAWING, expected=1.0)
        self._batches = EpochBatches(trainer, task, self._batch_settings, self.position.epoch)
        check_together(task, self.position.epoch)
        self._step: Step = trainer.training_step
        self._learning = self._batches.task(min(self.position.epoch, trainer.epochs - 1))
        self.state = TrainingState(
            task=task,
            network=self.network,
            optimizer=self.optimizer,
            loss=parts.loss,
            scaler=self.scaler,
            dtype=parts.dtype,
            compute=self._compute(self._learning, parts.dtype),
            deep_supervision=trainer.deep_supervision,
            epoch=self.position.epoch,
            iteration=self.position.epoch * trainer.iterations_per_epoch,
            gradients=self.world.gradient_sum(self.network.parameters()),
        )

    def run(self) -> None:
        """Train the remaining epochs, then write the final weights and remove the state."""
        trainer, task, epoch = self.trainer, self.task, self.position.epoch
        if self.world.is_main:
            truncate_log(task.run.log, epoch)  # later epochs are trained again
        title = f"train {task.run.path.parent.name} {task.run.path.name}"
        with (
            self._batches as training,
            make_loader(trainer, task, Stream.VALIDATION, epoch) as validation,
            task.progress.task(title, trainer.iterations, done=epoch * trainer.iterations_per_epoch) as advance,
            fixed_shapes(task.device),
        ):
            self.callbacks.train_start(self.state)
            self._step = choose_step(trainer, self.state, self.callbacks)
            while self.position.epoch < trainer.epochs and not self._is_stuck:
                self._epoch(training, validation, advance)
        if self._is_stuck:
            task.progress.notice(
                f"{title}: no better Dice since epoch {self.position.best_epoch}, ended after {self.position.epoch}"
            )
        self.rescue.report_at_end(self.position.search, self.position.epoch)
        if self.state.gradients is not None:
            self.state.gradients.close()
        if self.world.is_main:
            self.files.save_final(self.position)
        self.callbacks.train_end(self.state)

    @property
    def _is_stuck(self) -> bool:
        """Return whether the Dice has not risen for `patience` epochs."""
        patience = self.trainer.patience
        return patience is not None and self.position.epoch - self.position.best_epoch >= patience

    def _batch_settings(self, settings: BatchSettings, epoch: int) -> BatchSettings:
        """Return the settings of the training batches of an epoch, as callbacks and a rescue change them."""
        return self.rescue.batch_settings(self.position.search, self.callbacks.batch_settings(settings, epoch), epoch)

    def _epoch(self, training: EpochBatches, validation: PatchLoader, advance: Advance) -> None:
        epoch, started = self.position.epoch, time.monotonic()
        self._prepare_step(training.task(epoch))
        self.state = replace(self.state, rescued=self.rescue.begin_epoch(self.position.search, epoch))
        place = (epoch, self.world.rank) if self.world.rank else (epoch,)
        torch.manual_seed(int(generator(self.task.seed, _DROPOUT, *place).integers(2**62)))
        train_loss, waited = self._learn(training.of(epoch), advance)
        self.world.copy_from_main(self.network.buffers())  # batch normalisation's statistics differ per rank
        with holding(self.network, self.prepared):
            found = self._validate(validation)
            self._follow(found)
            line = LogLine(
                epoch=epoch,
                learning_rate=self._rate,
                train_loss=train_loss,
                val_loss=found.loss,
                dice=tuple(None if math.isnan(d) else round(d, 6) for d in found.dice),
                mean_dice=mean_dice(list(found.dice)),
                smoothed_dice=self.position.smoothed_dice,
                seconds=round(time.monotonic() - started, 3),
                wait_seconds=round(waited, 3),
            )
            if self.world.is_main:
                append_log(self.task.run.log, line)
            self._keep_best()
        self.callbacks.epoch_end(self.state, line)
        self._keep_state()

    def _follow(self, found: EpochValidation) -> None:
        """Give an epoch's validation to the callbacks, and make it part of the progress."""
        self.callbacks.validation_end(self.state, found)
        search = self.rescue.after_epoch(self.position.search, self.position.epoch + 1, found)
        self.position = self.position.after(mean_dice(list(found.dice)), search)

    def _learn(self, batches: DeviceBatches, advance: Advance) -> tuple[float, float]:
        """Train on an epoch's batches; return the mean loss and the seconds spent waiting for data."""
        self.network.train()
        losses, waited, epoch = [], 0.0, self.position.epoch
        smoothed = self.position.smoothed_dice
        latest = f"epoch {epoch + 1}" + (f", Dice {smoothed:.3f}" if smoothed is not None else "")
        first = epoch * self.trainer.iterations_per_epoch
        for iteration in range(first, first + self.trainer.iterations_per_epoch):
            requested = time.monotonic()
            batch = PatchBatch(*next(batches))
            waited += time.monotonic() - requested
            self.state = replace(self.state, epoch=epoch, iteration=iteration)
            self._set_rate(checked_rate(self.trainer, self.schedule(iteration), iteration))
            loss = self._step(replace(self.state, task=self._learning), batch)
            if self.prepared is not None:
                self.prepared.update()
            self.callbacks.iteration_end(self.state, loss)
            losses.append(loss)
            advance(latest)
        return self._mean(losses, "training"), waited

    def _prepare_step(self, learning: TrainingTask) -> None:
        """Prepare the step for an epoch; the configuration of `learning` has the sizes of its batches."""
        changed = learning.configuration != self._learning.configuration
        if changed:
            compute = self._compute(learning, self.state.dtype)
            self._learning, self.state = learning, replace(self.state, compute=compute)
        if isinstance(self._step, GraphedStep) and (changed or len(self.callbacks)):
            self._step.restart()  # callbacks may have changed the network or the loss

    def _compute(self, learning: TrainingTask, dtype: torch.dtype | None) -> Forward:
        """Return the network, compiled for the batches of an epoch if that is wanted."""
        return compiled_network(learning, self.network, dtype, self.task) if self._is_compiled else self.network

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1)

    @property
    def _rate(self) -> float:
        """The learning rate of the latest iteration."""
        return float(self.optimizer.param_groups[0]["lr"])

    @torch.no_grad()
    def _validate(self, batches: PatchLoader) -> EpochValidation:
        """Compute the validation of an epoch: the mean loss and the pseudo Dice per class."""
        # batch normalisation must use its running statistics; instance normalisation has no other mode
        self.network.eval()
        losses, counts = [], []
        for patches in islice(batches, self.trainer.val_iterations_per_epoch):
            batch = PatchBatch(*patches.on(self.task.device))
            result = self.trainer.validation_step(self.state, batch)
            losses.append(result.loss)
            counts.append(confusion(result.logits, batch.target, self.task.labels))
        total = self.world.sum(torch.stack(counts).sum(0))
        return EpochValidation(
            self._mean(losses, "validation"), tuple(dice(total)), batch, result.logits, present(total)
        )

    def _mean(self, losses: list[Tensor], what: str) -> float:
        """Return the mean of an epoch's losses, without those that the scaler of float16 may skip."""
        values = torch.stack(losses)
        if values.ndim > 1:
            raise broken(self.trainer, f"gave a {what} loss of shape {tuple(values.shape[1:])}; expected a scalar")
        finite = values[values.isfinite()]
        lost = len(values) - len(finite)
        if lost and not (self.scaler.is_enabled() and 2 * lost < len(values)):
            raise self._not_finite(f"the {what} loss of {lost} of the {len(values)} iterations")
        if lost:
            self.task.progress.notice(
                f"{self.task.run.path}: epoch {self.position.epoch}: the {what} loss of {lost} of {len(values)} "
                "iterations is not finite in float16; they change no weights and are left out of the mean"
            )
        return float(finite.mean())

    def _not_finite(self, what: str) -> NnplugError:
        """Return the error that ends a training whose losses are lost."""
        text = f"{self.task.run.path}: {what} of epoch {self.position.epoch} is not finite"
        if self.task.loss is not None:
            text = f"{text} with {name_of(self.task.loss)}"
        text = f"{text} at learning rate {self._rate:g}; a lower rate"
        if self.state.dtype is None:  # float32
            return NnplugError(f"{text} may help.")
        full = Action.TRAIN_ANEW_WITH(assignment="trainer.precision=float32")
        return NnplugError(f"{text} or full precision may help.", full)

    def _keep_best(self) -> None:
        """Save the weights at once if they are better; the network holds the prepared ones."""
        if self.position.is_best:
            self.position = self.position.as_best()
            if self.world.is_main:
                self.files.save_best()
                self.callbacks.checkpoint(self.state, self.task.run.best_weights)

    def _keep_state(self) -> None:
        """Save state and picture as often as their share of the time allows."""
        if not self.world.is_main:
            return
        if self._saving.is_due or self.position.search.noticed == self.position.epoch:  # told once, also after a kill
            with self._saving.timed():
                self.files.save_state(self.position)
            self.callbacks.checkpoint(self.state, self.task.run.state)
        if self._drawing.is_due:
            with self._drawing.timed():
                draw_curves(self.task.run.log, self.task.run.curves)
