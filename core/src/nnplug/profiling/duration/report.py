"""The expected time of the training of each configuration of plans."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from nnplug.contracts import TrainingLength
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.plans.plans import Plans
from nnplug.profiling.duration.measuring import EPOCHS, VALIDATION_TIME, Measured, Training, iteration_seconds
from nnplug.registry.attribution import attributed
from nnplug.registry.runtime import Runtime

BUDGET = 45.0
"""Seconds for all configurations together, beside the import of PyTorch."""
_PILOT = 1 << 17  # voxels per batch of the first, small measurement
_FEW, _MANY = 5, 25  # training iterations per measured epoch
_STEPS = 4  # training iterations that must fit
_SHARE = 0.8  # of the time that is left; the rest is for the validation
_TENTH = 10


@dataclass(frozen=True)
class ConfigurationDuration:
    """The expected time of the training of one configuration.

    The validation between epochs is in it. Not in it are: images on a slow disk, as the measured case is in memory;
    what `torch.compile` saves; checkpoints; the prediction of the validation cases after the training.

    Attributes:
        configuration: its name.
        device: the type of the device, such as "cuda".
        iterations: training iterations of one fold; None if they are not known.
        seconds_per_iteration: with the share of the validation; None if it is not known.
        patch_size: of the measured patches; empty if nothing was measured.
        batch_size: of the measured batches.
        is_scaled: whether these are smaller than planned, or the batches of some epochs are, so that the time is scaled
            by voxels.
        is_complete: whether a whole epoch was measured. If not, the time was up, and that of the validation is guessed.
        folds: number of folds.
        shorter: the trainer's options, and values with which a training takes a tenth of the time.
        unknown: the reason why the time is not known, or empty.
    """

    configuration: str
    device: str
    folds: int
    iterations: int | None = None
    seconds_per_iteration: float | None = None
    patch_size: tuple[int, ...] = ()
    batch_size: int = 0
    is_scaled: bool = False
    is_complete: bool = True
    shorter: tuple[tuple[str, Any], ...] = ()
    unknown: str = ""

    @property
    def fold_seconds(self) -> float | None:
        """The seconds of the training of one fold; None if they are not known."""
        known = self.iterations is not None and self.seconds_per_iteration is not None
        return self.iterations * self.seconds_per_iteration if known else None  # type: ignore[operator] # both are

    @property
    def seconds(self) -> float | None:
        """The seconds of the trainings of all folds, one after another; None if they are not known."""
        return None if self.fold_seconds is None else self.folds * self.fold_seconds

    def data(self) -> dict[str, Any]:
        """Return JSON values."""
        own = {**vars(self), "patch_size": list(self.patch_size), "shorter": dict(self.shorter)}
        return {**own, "fold_seconds": self.fold_seconds, "seconds": self.seconds}


def plans_durations(
    plans: Plans,
    description: DatasetDescription,
    runtime: Runtime,
    *,
    folds: Mapping[str, int],
    budget: float = BUDGET,
    shortest: int = 0,
) -> list[ConfigurationDuration]:
    """Return the expected time of the training of configurations, measured on the device of this process.

    Each is trained for a few iterations on a made-up case, in a temporary folder: no case need be preprocessed.

    Args:
        plans: the plans.
        description: the content of `dataset.json`.
        runtime: the plugins, the device to measure on, and the threads that load and augment.
        folds: name -> number of folds, for the configurations to measure.
        budget: the seconds for all of them; three iterations of a small batch are finished, though.
        shortest: trainings of fewer iterations are not measured, because they end as soon as a measurement.
    """
    measured, started = [], time.monotonic()
    with runtime.progress.task("measure the time of a training step", len(folds)) as advance:
        for number, (name, count) in enumerate(folds.items()):
            left = budget - (time.monotonic() - started)
            ends = time.monotonic() + max(0.0, left) / (len(folds) - number)
            training = Training(plans, name, description, runtime)
            measured.append(_known(training, count, partial(_measured, ends=ends, shortest=shortest)))
            advance(name)
    return measured


def _known(training: Training, folds: int, measure: Callable[[Training], Mapping[str, Any]]) -> ConfigurationDuration:
    """Return what is measured, or the reason why it is not known."""
    device = training.runtime.torch_device().type
    try:
        return ConfigurationDuration(training.name, device, folds, **measure(training))
    except Exception as error:  # noqa: BLE001 - also of components, and of a GPU whose memory is too small
        told = error.lines[0] if isinstance(error, NnplugError) else f"{type(error).__name__}: {error}"
        return ConfigurationDuration(training.name, device, folds, unknown=told.splitlines()[0])


def _measured(training: Training, *, ends: float, shortest: int) -> dict[str, Any]:
    length = training.length()
    known: dict[str, Any] = {"iterations": length.iterations, "shorter": _shorter(training, length)}
    if length.iterations < shortest:
        return known
    pilot = training.within(_PILOT)
    found = _timed(pilot, length, _FEW, time.monotonic())
    measured, iterations = _largest(training, pilot, found.seconds, ends - time.monotonic())
    if iterations:
        found = _timed(measured, length, iterations, ends)
    return {
        **known,
        "seconds_per_iteration": found.seconds * training.voxels / measured.voxels * _share_of_time(length),
        "patch_size": tuple(measured.configuration.patch_size),
        "batch_size": measured.configuration.batch_size,
        "is_scaled": measured.voxels != training.voxels or length.voxels != 1,
        "is_complete": found.is_complete,
    }


def _share_of_time(length: TrainingLength) -> float:
    """Return the mean time of an iteration, with its share of the validation, relative to one of the planned size."""
    validation = VALIDATION_TIME * length.validation_iterations / length.iterations
    return (length.voxels + validation) / (1 + validation)


def _largest(training: Training, pilot: Training, seconds: float, left: float) -> tuple[Training, int]:
    """Return the training to measure in the time that is left, and its iterations per epoch.

    Args:
        training: the training as planned.
        pilot: the smallest training, which was measured in a few steps.
        seconds: of an iteration of the pilot.
        left: seconds.

    Returns:
        The training, the largest of which `_STEPS` iterations fit, and at least `_FEW` iterations; the pilot and 0 if
        nothing fits.
    """
    voxels = left / seconds * pilot.voxels  # of all iterations together
    largest = training.within(max(pilot.voxels, int(voxels / _STEPS)))
    if _STEPS * largest.voxels > voxels:
        return pilot, 0
    return largest, min(_MANY, max(_FEW, int(_SHARE * voxels / largest.voxels / EPOCHS)))


def _timed(training: Training, length: TrainingLength, iterations: int, ends: float) -> Measured:
    """Measure an epoch in which the validation has the same share as in the whole training."""
    per_iteration = length.validation_iterations / length.iterations
    validation = ceil(iterations * per_iteration)
    if validation:  # as nearly as whole numbers allow
        iterations = round(validation / per_iteration)
    return iteration_seconds(training, iterations, validation, ends)


def _shorter(training: Training, length: TrainingLength) -> tuple[tuple[str, Any], ...]:
    """Return the options that make a training a tenth as long, in the trainer's own words."""
    lines = ceil(length.log_lines / _TENTH)
    shortened, checked = (
        ceil(part * lines / length.log_lines) for part in (length.iterations, length.validation_iterations)
    )
    trainer, tenth = training.trainer(), TrainingLength(shortened, checked, lines)
    with attributed(trainer):
        now, then = trainer.options_for(length), trainer.options_for(tenth)
    return tuple((name, value) for name, value in then.items() if now.get(name) != value)
