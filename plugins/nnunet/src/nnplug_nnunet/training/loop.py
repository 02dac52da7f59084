"""The training loop: epochs of patches, a validation after each, and a state to continue from after a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from nnplug.contracts import (
    AugmentationContext,
    BatchAugmentation,
    LogLine,
    TrainingTask,
    Workload,
    append_log,
    truncate_log,
)
from nnplug.errors import NnplugError
from nnplug.preparation.case_index import Indexing, complete_index
from nnplug.remedies import Action
from nnplug.runtime.device import autocast, autocast_dtype, fixed_shapes, memory_format
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Advance
from nnplug.runtime.seeds import generator
from nnplug.training.plots import draw_curves
from nnplug_nnunet.training.batches import Batch, DrawnBatch
from nnplug_nnunet.training.checkpoint import (
    TrainingProgress,
    load_optimizer,
    load_state,
    save_final_state,
    save_state,
    save_weights,
)
from nnplug_nnunet.training.compiling import Forward, compiled, is_wanted
from nnplug_nnunet.training.loading import PatchLoader
from nnplug_nnunet.training.losses import make_loss
from nnplug_nnunet.training.losses.deep_supervision import supervised_loss
from nnplug_nnunet.training.options import PatchOptions
from nnplug_nnunet.training.patch_centres import PatchCentres
from nnplug_nnunet.training.patches import PatchSource, Stream
from nnplug_nnunet.training.scores import confusion, dice, mean_dice
from nnplug_nnunet.training.throttle import Throttle

# Largest shares of the time; so a kill loses at most the training time of twenty saves.
_SAVING, _DRAWING = 1 / 20, 1 / 100
_DROPOUT = 3  # the random stream of torch's own layers


def train(options: PatchOptions, task: TrainingTask) -> None:
    """Train a fold to the end; see `nnplug.contracts.Trainer.train`."""
    Training(options, task).run()


class Training:
    """The training of one fold: network, optimiser, progress, and their files."""

    def __init__(self, options: PatchOptions, task: TrainingTask) -> None:
        """Move the network to the device, and restore the state of an interrupted training."""
        self.options, self.task, self.world = options, task, task.world
        # by all epochs, not by those that are left: a resumed training must compute as one without a break
        self._compiles = is_wanted(options.compile, task.device, options.iterations)
        order = memory_format(task.device, task.configuration.dimensions, compiled=self._compiles)
        self.network = task.network.to(task.device)
        self.network.to(memory_format=order)  # type: ignore[call-overload]
        self.loss = make_loss(options.loss, task.labels, batch_dice=task.configuration.batch_dice, world=task.world)
        self.dtype = self._precision()
        self.scaler = torch.amp.GradScaler(task.device.type, enabled=self.dtype is torch.float16)
        self.network = task.accelerate(self.network, Workload(task.device, "training", self.dtype))
        self.optimizer = options.make_optimizer(self.network)  # now the memory order of the parameters is final
        self.position = TrainingProgress()
        self._saving, self._drawing = Throttle(_SAVING), Throttle(_DRAWING, expected=1.0)
        self._noticed: set[str] = set()
        if task.run.state.exists():
            self._restore()
        self._check_together()
        self._compute = self._compiled()

    def run(self) -> None:
        """Train the remaining epochs, then write the final weights and remove the state."""
        options, task = self.options, self.task
        self._index_cases()
        if self.world.is_main:
            truncate_log(task.run.log, self.position.epoch)  # later epochs are trained again
        done = self.position.epoch * options.iterations_per_epoch
        title = f"train {task.run.path.parent.name} {task.run.path.name}"
        with (
            self._loader(Stream.TRAINING, options.iterations_per_epoch) as training,
            self._loader(Stream.VALIDATION, options.val_iterations_per_epoch) as validation,
            task.progress.task(title, options.iterations, done=done) as advance,
            fixed_shapes(task.device),
        ):
            while self.position.epoch < options.epochs and not self._is_stuck:
                self._epoch(training, validation, advance)
        if self._is_stuck:
            task.progress.notice(
                f"{title}: no better Dice since epoch {self.position.best_epoch}, ended after {self.position.epoch}"
            )
        if self.world.is_main:
            save_weights(self.network, task.run.final_weights)
            save_final_state(task.run.final_state, self._states(), self.position)
            task.run.state.unlink(missing_ok=True)

    @property
    def _is_stuck(self) -> bool:
        """Return whether the Dice has not risen for `patience` epochs."""
        patience = self.options.patience
        return patience is not None and self.position.epoch - self.position.best_epoch >= patience

    def _index_cases(self) -> None:
        """Draw the patch centres of cases that lack them, because a subclass's entry may not name `PatchCentres`."""
        task = self.task
        if self.world.is_main:
            names, threads = sorted({*task.training, *task.validation}), LocalExecutor(max(task.workers, 1))
            indexing = Indexing(PatchCentres(), task.labels)
            complete_index(task.cases, names, indexing, executor=threads, progress=task.progress)
        self.world.wait()

    def _states(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def _epoch(self, training: PatchLoader, validation: PatchLoader, advance: Advance) -> None:
        epoch, started = self.position.epoch, time.monotonic()
        place = (epoch, self.world.rank) if self.world.rank else (epoch,)
        torch.manual_seed(int(generator(self.task.seed, _DROPOUT, *place).integers(2**62)))
        train_loss, waited = self._learn(training, advance)
        self.world.copy_from_leader(self.network.buffers())  # batch normalisation's statistics differ per rank
        val_loss, per_class = self._validate(validation)
        self.position = self.position.after(mean_dice(per_class))
        if self.world.is_main:
            line = LogLine(
                epoch=epoch,
                learning_rate=self._rate,
                train_loss=train_loss,
                val_loss=val_loss,
                dice=tuple(None if math.isnan(d) else round(d, 6) for d in per_class),
                mean_dice=mean_dice(per_class),
                smoothed_dice=self.position.smoothed_dice,
                seconds=round(time.monotonic() - started, 3),
                wait_seconds=round(waited, 3),
            )
            append_log(self.task.run.log, line)
        self._keep()

    def _learn(self, batches: PatchLoader, advance: Advance) -> tuple[float, float]:
        """Train on an epoch's batches; return the mean loss and the seconds spent waiting for data."""
        self.network.train()
        losses, waited = [], 0.0
        dice = self.position.smoothed_dice
        latest = f"epoch {self.position.epoch + 1}" + (f", Dice {dice:.3f}" if dice is not None else "")
        first = self.position.epoch * self.options.iterations_per_epoch
        for iteration in range(first, first + self.options.iterations_per_epoch):
            requested = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - requested
            losses.append(self._step(batch, self.options.learning_rate(iteration)))
            advance(latest)
        return self._mean(losses, "training"), waited

    def _step(self, batch: Batch | DrawnBatch, rate: float) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._forward(batch)[0]
        torch.autograd.backward(self.scaler.scale(loss))
        self.world.add_gradients(self.network.parameters())
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    @property
    def _rate(self) -> float:
        """The learning rate of the latest iteration."""
        return float(self.optimizer.param_groups[0]["lr"])

    @torch.no_grad()
    def _validate(self, batches: PatchLoader) -> tuple[float, list[float]]:
        """Compute an epoch's validation; return the mean loss and the pseudo Dice per class."""
        # batch normalisation must use its running statistics; instance normalisation has no other mode
        self.network.eval()
        losses, counts = [], []
        for batch in islice(batches, self.options.val_iterations_per_epoch):
            loss, logits, target = self._forward(batch)
            losses.append(loss)
            counts.append(confusion(logits, target, self.task.labels))
        return self._mean(losses, "validation"), dice(self.world.sum(torch.stack(counts).sum(0)))

    def _forward(self, batch: Batch | DrawnBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, the logits at full resolution and the target, on the device."""
        image, target = batch.on(self.task.device)
        with autocast(self.task.device, self.dtype):
            outputs = self._compute(image)
        scales: Sequence[Tensor] = [outputs] if isinstance(outputs, Tensor) else outputs
        if self.network.training and len(scales) == 1:
            self._notice_once("the network returns logits at one resolution; it is trained without deep supervision")
        used = scales if self.options.deep_supervision else scales[:1]
        return supervised_loss(self.loss, [logits.float() for logits in used], target), scales[0], target

    def _notice_once(self, notice: str) -> None:
        if self.options.deep_supervision and notice not in self._noticed:
            self._noticed.add(notice)
            self.task.progress.notice(notice)

    def _mean(self, losses: list[Tensor], what: str) -> float:
        """Return the mean of an epoch's losses, without those that the scaler of float16 may skip."""
        values = torch.stack(losses)
        finite = values[values.isfinite()]
        lost = len(values) - len(finite)
        if lost and not (self.scaler.is_enabled() and 2 * lost < len(values)):
            raise NnplugError(
                f"{self.task.run.path}: the {what} loss of {lost} of the {len(values)} iterations of epoch "
                f"{self.position.epoch} is not finite at learning rate {self._rate:g}. Train again with a lower one or "
                "in full precision.",
                Action.SET_OPTION(assignment="trainer.precision=float32"),
            )
        if lost:
            self.task.progress.notice(
                f"{self.task.run.path}: epoch {self.position.epoch}: the {what} loss of {lost} of {len(values)} "
                "iterations is not finite in float16; they change no weights and are left out of the mean"
            )
        return float(finite.mean())

    def _compiled(self) -> Forward:
        """Return the network, compiled if that saves time."""
        task = self.task
        if not self._compiles:
            return self.network
        channels = task.cases[task.training[0]].image.shape[0] + len(task.previous_labels)
        samples = len(self.world.share(task.configuration.batch_size))
        shape = (samples, channels, *task.configuration.patch_size)
        return compiled(self.network, shape, dtype=self.dtype, notice=task.progress.notice)

    def _precision(self) -> torch.dtype | None:
        """Return the type of convolutions, None for float32."""
        if self.options.precision == "auto":
            return autocast_dtype(self.task.device)
        return {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[self.options.precision]

    def _loader(self, stream: Stream, iterations: int) -> PatchLoader:
        task, options = self.task, self.options
        learning = stream is Stream.TRAINING
        context = AugmentationContext(
            patch_size=task.configuration.patch_size,
            mirror_axes=options.mirror_axes(task.configuration.dimensions),
            masked_channels=task.masked_channels,
            labels=task.labels,
            previous_labels=task.previous_labels,
        )
        augmentation = task.augmenter.bind(context) if learning else None
        source = PatchSource(
            cases=task.cases,
            names=task.training if learning else task.validation,
            patch_size=task.configuration.patch_size,
            batch_size=task.configuration.batch_size,
            oversampling=options.oversampling,
            seed=task.seed,
            stream=stream,
            augmentation=augmentation,
            batched=self._batched(context) if learning else None,
            previous_labels=task.previous_labels,
            world=task.world,
        )
        places: Iterable[tuple[int, int]] = product(range(self.position.epoch, options.epochs), range(iterations))
        workers = task.workers if learning else min(task.workers, 1)
        return PatchLoader(source, places, workers=workers, pin_memory=task.device.type == "cuda")

    def _batched(self, context: AugmentationContext) -> BatchAugmentation | None:
        """Return the augmentation on the device, or None for the threads.

        The device is the default on a GPU, because threads are too slow for it. It is also None if the augmenter has no
        batches.
        """
        chosen = {"auto": self.task.device.type == "cuda", "device": True, "threads": False}[self.options.augment_on]
        return self.task.augmenter.bind_batches(context) if chosen else None

    def _keep(self) -> None:
        """Save better weights at once; save state and picture as often as their share of the time allows."""
        if self.position.is_best:
            self.position = self.position.as_best()
            if self.world.is_main:
                save_weights(self.network, self.task.run.best_weights)
        if not self.world.is_main:
            return
        if self._saving.is_due:
            with self._saving.timed():
                save_state(self.task.run.state, self.network, self._states(), self.position)
        if self._drawing.is_due:
            with self._drawing.timed():
                draw_curves(self.task.run.log, self.task.run.curves)

    def _restore(self) -> None:
        state = load_state(self.task.run.state)
        is_extension = "network" not in state
        self.network.load_state_dict(load_file(self.task.run.final_weights) if is_extension else state["network"])
        load_optimizer(self.optimizer, state["optimizer"])
        if state["scaler"]:  # empty if the training began without a scaler, on another device or in another precision
            self.scaler.load_state_dict(state["scaler"])
        self.position = TrainingProgress(**state["position"])
        if is_extension:  # saved at once, because this training replaces the final weights
            self.position = replace(self.position, best_epoch=self.position.epoch)
            if self.world.is_main:
                save_state(self.task.run.state, self.network, self._states(), self.position)

    def _check_together(self) -> None:
        """Raise unless all processes can train together.

        Raises:
            NnplugError: the batch has fewer samples than there are devices, or the processes read different states.
        """
        batch, size = self.task.configuration.batch_size, self.world.size
        if batch < size:
            raise NnplugError(
                f"{self.task.run.path}: a batch of {batch} cannot be shared by {size} devices. Use at most {batch}, "
                "or a larger batch.",
                Action.PLAN_WITH(assignment=f"plan.batch_size={size}"),
            )
        epochs = self.world.sum(torch.tensor(self.position.epoch, device=self.task.device))
        if int(epochs) != size * self.position.epoch:
            raise NnplugError(
                f"{self.task.run.state}: the processes read different states; all must use the same files"
            )
