"""Measure the seconds of an epoch: train a few iterations in a temporary folder on a made-up case."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import msgspec
import torch

from nnplug.contracts import LogLine, Trainer, TrainingLength, TrainingTask, read_log
from nnplug.contracts.kinds import ARCHITECTURE, TRAINER
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.models.acceleration import accelerated
from nnplug.plans.plans import Configuration, Plans
from nnplug.preparation.make_plans import with_options
from nnplug.profiling.duration.stand_ins import NAME, write_stand_in
from nnplug.profiling.duration.stop_watch import StopWatch, TimeIsUp
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.components import Kind
from nnplug.registry.runtime import Runtime
from nnplug.runtime.free_cores import on_free_cores
from nnplug.runtime.progress import Silent
from nnplug.runtime.seeds import keep_random_state
from nnplug.training.task import task_without_cases
from nnplug.workspace.layout import RunFolder

EPOCHS = 2
"""Epochs of a measurement; the first warms up."""
VALIDATION_TIME = 0.5
"""The time of a validation iteration relative to a training iteration, where it is not measured."""


@dataclass(frozen=True)
class Training:
    """A training to measure.

    Attributes:
        plans: the plans.
        name: the configuration.
        description: the content of `dataset.json`.
        runtime: the plugins, the device, and the threads that load and augment.
    """

    plans: Plans
    name: str
    description: DatasetDescription
    runtime: Runtime

    @property
    def configuration(self) -> Configuration:
        """The configuration."""
        return self.plans.configuration(self.name)

    @property
    def voxels(self) -> int:
        """The number of voxels of a batch."""
        return self.configuration.batch_size * prod(self.configuration.patch_size)

    def trainer(self, options: Mapping[str, Any] | None = None) -> Trainer:
        """Return the trainer of the plans, with other values of some options."""
        plans = with_options(self.plans, {Kind.TRAINER: options or {}}, registry=self.runtime.registry)
        choice = plans.choice(Kind.TRAINER)
        return self.runtime.registry.create(TRAINER, choice.name, choice.options)

    def length(self) -> TrainingLength:
        """Return the length of the whole training."""
        trainer = self.trainer()
        with attributed(trainer):
            return expect(trainer, trainer.length(self.task()), TrainingLength)

    def task(self) -> TrainingTask:
        """Return the task of the trainer, without cases."""
        registry, device = self.runtime.registry, self.runtime.torch_device()
        with keep_random_state(device):
            return task_without_cases(self.plans, self.name, self.description, registry, device)

    def within(self, voxels: int) -> Training:
        """Return the training with a smaller batch, and where that is not enough a smaller patch.

        Args:
            voxels: the largest number of voxels of a batch. It is exceeded if the network takes no smaller patch.
        """
        patch, batch = tuple(self.configuration.patch_size), self.configuration.batch_size
        while prod(patch) > voxels and (smaller := self._smaller(patch)) is not None:
            patch = smaller
        batch = min(batch, max(1, voxels // prod(patch)))
        changed = msgspec.structs.replace(self.configuration, patch_size=patch, batch_size=batch)
        configurations = {**self.plans.configurations, self.name: changed}
        return replace(self, plans=msgspec.structs.replace(self.plans, configurations=configurations))

    def _smaller(self, patch: Sequence[int]) -> tuple[int, ...] | None:
        """Return the patch with its largest possible axis halved, or None if the network takes no smaller one."""
        choice = self.configuration.architecture
        architecture = self.runtime.registry.create(ARCHITECTURE, choice.name, choice.options)
        for axis in sorted(range(len(patch)), key=lambda axis: -patch[axis]):
            if patch[axis] % 2:
                continue
            halved = tuple(size // 2 if i == axis else size for i, size in enumerate(patch))
            with suppress(NnplugError):
                architecture.check_patch(halved)
                return halved
        return None


@dataclass(frozen=True)
class Measured:
    """The result of a measurement.

    Attributes:
        seconds: of a training iteration with its share of the validation.
        is_complete: whether an epoch after the first was finished. If not, the time was up: `seconds` is that of the
            iterations so far, and a validation iteration counts as half a training iteration.
    """

    seconds: float
    is_complete: bool = True


def iteration_seconds(training: Training, iterations: int, validation_iterations: int, ends: float) -> Measured:
    """Return the seconds of a training iteration with its share of the validation.

    Loading, augmentation by threads, the step with the installed accelerators and the validation are the trainer's own.

    Args:
        training: the training.
        iterations: training iterations per epoch.
        validation_iterations: validation iterations per epoch.
        ends: the time of `time.monotonic` at which to stop after the next iteration, but not before the third.

    Raises:
        NnplugError: a component is not installed, or fails.
    """
    length = TrainingLength(EPOCHS * iterations, EPOCHS * validation_iterations, EPOCHS)
    whole = training.trainer()
    with attributed(whole):
        trainer = training.trainer(whole.options_for(length))
    watch = StopWatch(ends)
    with tempfile.TemporaryDirectory(prefix="nnplug-estimate-") as folder, training.runtime.limited_memory():
        task = replace(_with_case(training, Path(folder)), progress=watch)
        with attributed(trainer), keep_random_state(task.device), on_free_cores(task.device), suppress(TimeIsUp):
            trainer.train(task)
        lines = read_log(task.run.log)
    if task.device.type == "cuda":
        torch.cuda.empty_cache()  # the next configuration may need other blocks
    if len(lines) >= EPOCHS or not watch.is_stopped:
        return Measured(_last(lines, training).seconds * len(lines) / length.iterations)
    validating = 1 + VALIDATION_TIME * validation_iterations / iterations
    return Measured(watch.seconds(length.iterations) * validating, is_complete=False)


def _last(lines: Sequence[LogLine], training: Training) -> LogLine:
    if not lines:
        raise NnplugError(f"trainer {training.plans.choice(Kind.TRAINER).name!r} wrote no log of its epochs")
    return lines[-1]


def _with_case(training: Training, folder: Path) -> TrainingTask:
    """Return the task with a made-up case, and a run in the folder."""
    runtime, task = training.runtime, training.task()
    cases = write_stand_in(folder, training.plans, training.configuration, task.labels, runtime.registry)
    run = RunFolder(folder / "run" / training.name / "fold_0")
    run.path.mkdir(parents=True)
    return replace(
        task,
        cases=cases,
        training=(NAME,),
        validation=(NAME,),
        run=run,
        workers=runtime.threads,
        accelerate=partial(accelerated, registry=runtime.registry, progress=Silent()),
    )
