"""Report a profiled training: the means of its iterations, and what limits it."""

from __future__ import annotations

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
    """Seconds of one iteration, one after the other.

    Attributes:
        wait: for the next batch, and the trainer's own bookkeeping.
        transfer: of the batch to the device, measured apart; 0 on a CPU, which copies nothing.
        augmentation: of the batch on the device; 0 where the threads augment.
        forward: through the network.
        loss: and its gradient.
        backward: through the network.
        optimiser: clipping and the change of the weights.
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
        """Seconds of the iteration."""
        return float(sum(self.data().values()))


class EpochProfile(Record, frozen=True, kw_only=True):
    """The share of the time that each part of a training takes.

    Attributes:
        run: its folder.
        device: where the network computed.
        workers: threads that load and augment.
        batch: shape of a batch of images, (B, C, *patch).
        iterations: how many were measured.
        parts: of a mean iteration.
        load: seconds of the threads per batch, reading; the parts run beside them.
        augment: seconds of the threads per batch, augmenting; where the device does it, drawing alone.
        validation: seconds of the network per validation batch; None if the trainer made no such pass.
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
        steps: of the network.
        load: reading of the threads.
        augment: of the threads.
        made: load and augment when the weights were last changed: what validation reads later does not count.
    """

    steps: StepTimer
    load: Counter
    augment: Counter
    made: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def on(cls, device: torch.device) -> Timer:
        """A watch that has counted nothing."""
        watch = cls(StepTimer(device), Counter(), Counter())
        watch.steps.on_step = watch._note
        return watch

    def _note(self) -> None:
        self.made = (self.load.seconds, self.augment.seconds)


def conclude(trained: TrainedRun, watch: Timer, length: TrainingLength, workers: int, wanted: int) -> EpochProfile:
    """Average the last `wanted` iterations that follow one another.

    Args:
        trained: the run.
        watch: what was counted in its shortened training.
        length: of its whole training.
        workers: threads that loaded and augmented.
        wanted: iterations.

    Raises:
        NnplugError: there are none.
    """
    steps = watch.steps
    pairs = [pair for pair in pairwise(steps.iterations) if all(iteration.is_whole for iteration in pair)][-wanted:]
    if not pairs:
        raise NnplugError(
            f"{trained.folder.path}: its trainer took no two steps one after the other; there is nothing to measure",
            Action.SET_OPTION(assignment="trainer.KEY=VALUE"),
        )
    apart = [_parts(steps, before.stepped, now.marks) for before, now in pairs]
    transfer, augmentation = _transfer_seconds(steps), _augmentation_seconds(steps, wanted)
    wait, *rest = (fmean(column) for column in zip(*apart, strict=True))
    forward, loss, backward, optimiser = rest
    parts = Parts(
        wait=max(0.0, wait - transfer - augmentation),
        transfer=transfer,
        augmentation=augmentation,
        forward=forward,
        loss=loss,
        backward=backward,
        optimiser=optimiser,
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


def _parts(steps: StepTimer, before: Any, marks: tuple[Any, ...]) -> list[float]:
    """Waiting, forward, loss, backward and optimiser of one iteration."""
    return [steps.seconds(begin, end) for begin, end in pairwise((before, *marks))]


def _transfer_seconds(steps: StepTimer) -> float:
    """Copying one batch, image and label, to the device."""
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
    """Transforms of a batch on the device, the mean of the latest."""
    seconds = [steps.seconds(begin, end) for begin, end in steps.augmented[-wanted:]]
    return fmean(seconds) if seconds else 0.0


def _epoch(length: TrainingLength, parts: Parts, validation: float) -> float:
    whole = length.iterations * parts.total + length.validation_iterations * validation
    return float(whole / length.log_lines)


def verdict(parts: Parts, busy: float, workers: int) -> str:
    """Return the verdict on a training whose threads are `busy` seconds per batch."""
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
