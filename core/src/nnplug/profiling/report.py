"""Report a profiled training: the mean times of its iterations, and its limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

import torch

from nnplug.contracts import TrainingLength
from nnplug.errors import Line, NnplugError
from nnplug.profiling.timers import Counter, StepTimer
from nnplug.remedies import Action
from nnplug.runtime.records import Record
from nnplug.workspace.runs import TrainedRun

_COPIES = 5
_WAIT_THAT_MATTERS = 0.05


class Parts(Record, frozen=True, kw_only=True):
    """The consecutive parts of one iteration, in seconds.

    Attributes:
        wait: the wait for the next batch, and the trainer's own bookkeeping.
        transfer: the copy of the batch to the device, measured separately; 0 on a CPU, where nothing is copied.
        augmentation: the augmentation of the batch on the device; 0 if the threads augment.
        forward: the forward pass through the network.
        loss: the loss and its gradient.
        backward: the backward pass through the network.
        optimiser: gradient clipping and the update of the weights.
    """

    wait: float
    transfer: float
    augmentation: float = 0.0
    forward: float
    loss: float
    backward: float
    optimiser: float

    @property
    def total(self) -> float:
        """The duration of the iteration in seconds."""
        return float(sum(self.data().values()))


class EpochProfile(Record, frozen=True, kw_only=True):
    """The time that each part of a training takes.

    Attributes:
        run: the folder of the run.
        device: the name of the device of the network.
        workers: the number of threads that load and augment.
        batch: shape of a batch of images, (B, C, *patch).
        iterations: the number of measured iterations.
        parts: the mean over iterations.
        load: seconds per batch in which threads read, summed over threads; they run in parallel with `parts`.
        augment: seconds per batch in which threads augment, summed over threads; if the device augments, only the
            random draws.
        validation: seconds of the network per validation batch; None without a validation batch.
        epoch: estimated seconds of an epoch of the run, validation included.
        verdict: what limits the training, and the remedy.
    """

    run: str
    device: str
    workers: int
    batch: tuple[int, ...]
    iterations: int
    parts: Parts
    load: float
    augment: float
    validation: float | None
    epoch: float
    verdict: str


@dataclass
class Timer:
    """The counters and timers of a training.

    Attributes:
        steps: the timer of the passes through the network.
        load: the time in which threads read.
        augment: the time in which threads augment.
        made: seconds of load and augment at the last update of the weights; later reads are for validation.
    """

    steps: StepTimer
    load: Counter
    augment: Counter
    made: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def on(cls, device: torch.device) -> Timer:
        """Return a timer for a device, with all counters at 0."""
        watch = cls(StepTimer(device), Counter(), Counter())
        watch.steps.on_step = watch._note
        return watch

    def _note(self) -> None:
        self.made = (self.load.seconds, self.augment.seconds)


def conclude(trained: TrainedRun, watch: Timer, length: TrainingLength, workers: int, wanted: int) -> EpochProfile:
    """Return the profile over the last `wanted` consecutive iterations.

    Args:
        trained: the run.
        watch: the counters and timers of its shortened training.
        length: the length of its whole training.
        workers: the number of threads that loaded and augmented.
        wanted: the number of iterations.

    Raises:
        NnplugError: there are no two consecutive iterations.
    """
    steps = watch.steps
    pairs = [pair for pair in pairwise(steps.iterations) if all(iteration.is_whole for iteration in pair)][-wanted:]
    if not pairs:
        raise NnplugError(
            f"{trained.folder.path}: its trainer took no two steps one after the other; there is nothing to measure",
            Action.SET_OPTION(assignment="trainer.KEY=VALUE"),
        )
    parts = _mean_parts(
        steps, [(before.stepped, *now.marks) for before, now in pairs], _augmentation_seconds(steps, wanted)
    )
    load, augment = (seconds / len(steps.iterations) for seconds in watch.made)
    passes = [steps.seconds(begin, end) for begin, end in steps.validation[1:]]
    validation = fmean(passes) if passes else None
    return EpochProfile(
        run=str(trained.folder.path),
        device=_device_name(steps.device),
        workers=workers,
        batch=steps.inputs,
        iterations=len(pairs),
        parts=parts,
        load=load,
        augment=augment,
        validation=validation,
        epoch=_epoch(length, parts, validation or 0.0),
        verdict=verdict(parts, load + augment, workers),
    )


def _mean_parts(steps: StepTimer, iterations: Sequence[tuple[Any, ...]], augmentation: float) -> Parts:
    """Return the mean over iterations of the seconds of each part.

    Args:
        steps: the timer.
        iterations: the marks of each: its begin, and the ends of wait, forward pass, loss, backward pass and optimiser.
        augmentation: the seconds of a batch's augmentation on the device, which are within the wait.
    """
    seconds = [[steps.seconds(begin, end) for begin, end in pairwise(marks)] for marks in iterations]
    wait, forward, loss, backward, optimiser = (fmean(column) for column in zip(*seconds, strict=True))
    transfer = _transfer_seconds(steps)
    return Parts(
        wait=max(0.0, wait - transfer - augmentation),
        transfer=transfer,
        augmentation=augmentation,
        forward=forward,
        loss=loss,
        backward=backward,
        optimiser=optimiser,
    )


def _transfer_seconds(steps: StepTimer) -> float:
    """Return the seconds that the copy of one batch, image and label, to the device takes."""
    if steps.device.type == "cpu":
        return 0.0
    pinned = steps.device.type == "cuda"
    label = (steps.inputs[0], 1, *steps.inputs[2:])
    host = [
        torch.zeros(steps.inputs, pin_memory=pinned),
        torch.zeros(label, dtype=torch.int16, pin_memory=pinned),
    ]
    instants = [steps.mark()]
    for _ in range(_COPIES):
        for tensor in host:
            tensor.to(steps.device, non_blocking=True)
        instants.append(steps.mark())
    return min(steps.seconds(begin, end) for begin, end in pairwise(instants))


def _augmentation_seconds(steps: StepTimer, wanted: int) -> float:
    """Return the mean seconds that transforms of the latest batches take on the device."""
    seconds = [steps.seconds(begin, end) for begin, end in steps.augmented[-wanted:]]
    return fmean(seconds) if seconds else 0.0


def _epoch(length: TrainingLength, parts: Parts, validation: float) -> float:
    whole = length.iterations * length.voxels * parts.total + length.validation_iterations * validation
    return float(whole / length.log_lines)


def verdict(parts: Parts, busy: float, workers: int) -> str:
    """Return a line on the limit of a training; `busy` is the work of its threads in seconds per batch."""
    share = parts.wait / parts.total
    if share <= _WAIT_THAT_MATTERS:
        return f"the network limits: it waits for data {share:.1%} of the time"
    if busy / workers < parts.total * (1 - share):
        return (
            f"it waits {share:.1%} of the time, though the threads have time left: the trainer's own work, or the GIL"
        )
    return Line(
        f"data limits: the network waits {share:.1%} of the time for {workers} threads that take {busy:.3g} s together "
        "per batch",
        Action.USE_MORE_THREADS(),
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
