"""The expected time of the training of each configuration of plans."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from nnplug.contracts import TrainingLength
from nnplug.dataset.dataset import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.plans.plans import Plans
from nnplug.profiling.duration.measuring import EPOCHS, Training, epoch_seconds
from nnplug.registry.attribution import attributed
from nnplug.registry.runtime import Runtime

BUDGET = 45.0
"""Seconds for all configurations together, beside the import of PyTorch."""
_PILOT = 1 << 17  # voxels per batch of the first, small measurement
_FEW, _MANY = 5, 25  # training iterations per measured epoch
_SHARE = 0.8  # of the time that is left, for the second measurement
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
        is_scaled: whether these are smaller than planned, so that the time is scaled by voxels.
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
        budget: the seconds for all of them. One iteration that takes longer is finished.
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
    seconds = _iteration_seconds(pilot, length, _FEW)
    measured, iterations = _largest(training, pilot, seconds, ends - time.monotonic())
    if iterations:
        seconds = _iteration_seconds(measured, length, iterations)
    return {
        **known,
        "seconds_per_iteration": seconds * training.voxels / measured.voxels,
        "patch_size": tuple(measured.configuration.patch_size),
        "batch_size": measured.configuration.batch_size,
        "is_scaled": measured.voxels != training.voxels,
    }


def _largest(training: Training, pilot: Training, seconds: float, left: float) -> tuple[Training, int]:
    """Return the training to measure in the time that is left, and its iterations per epoch; 0 if only the pilot fits.

    Args:
        training: the training as planned.
        pilot: the training that was measured.
        seconds: of an iteration of the pilot.
        left: seconds.
    """
    fitting = _SHARE * left / (EPOCHS * seconds)  # iterations of the pilot per epoch
    voxels = int(fitting * pilot.voxels / _FEW)
    largest = training.within(voxels)
    if largest.voxels <= pilot.voxels and fitting < _MANY:
        return pilot, 0
    if largest.voxels > max(voxels, pilot.voxels):  # the network takes no smaller patch
        return pilot, 0
    return largest, min(_MANY, max(_FEW, int(fitting * pilot.voxels / largest.voxels)))


def _iteration_seconds(training: Training, length: TrainingLength, iterations: int) -> float:
    """Return the seconds of a training iteration with its share of the validation, measured over an epoch."""
    per_iteration = length.validation_iterations / length.iterations
    validation = ceil(iterations * per_iteration)
    if validation:  # the same share as in the whole training, as nearly as whole numbers allow
        iterations = round(validation / per_iteration)
    return epoch_seconds(training, iterations, validation) / iterations


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


def known_total(durations: Sequence[ConfigurationDuration]) -> float | None:
    """Return the seconds of all trainings, one after another; None if one is not known."""
    found = [duration.seconds for duration in durations]
    return None if None in found else sum(seconds for seconds in found if seconds is not None)
