"""Trackers: send the course of a training to a server or into files. They never change or stop a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nnplug.contracts.trainer.run_log import LogLine


@dataclass(frozen=True)
class TrackedRun:
    """The training of one fold, for a tracker.

    Attributes:
        name: a path-like name, "DATASET/PLANS/CONFIGURATION/fold_K"; a training that starts anew has the same.
        id: 16 hexadecimal digits that belong to this training only. A resumed training keeps them; one that starts anew
            has others.
        folder: the folder of the run.
        parameters: the decisions of the plans, flat: "batch_size", "trainer" (a name), "trainer.epochs". Values are
            JSON: numbers, text, true, false, null and lists of these.
        classes: the names of the classes or regions, in the order of `LogLine.dice`.
        sent: the number of epochs that earlier starts of this training have sent to this tracker.
    """

    name: str
    id: str
    folder: Path
    parameters: Mapping[str, Any]
    classes: tuple[str, ...]
    sent: int = 0


class Tracker(Protocol):
    """A component that gets the parameters, epochs, pictures and the model of a training.

    One instance gets one training, in the process that trains. All methods are called in the order below, by one thread
    that is not the thread of the training, so that a slow tracker delays nothing. If a method raises, the tracker gets
    no further calls, and the user gets a warning. Methods draw no random numbers from global generators.
    """

    def begin(self, run: TrackedRun) -> int:
        """Begin to record a training, or resume; return the number of epochs that need not be sent again.

        It is 0 if the tracker has no record of `run.id`. A tracker that does not count its own epochs returns
        `run.sent`. After a kill, this number can lack the last epoch that was sent.
        """
        ...

    def log_epoch(self, line: LogLine) -> None:
        """Record the figures of one epoch. Each call has the next epoch; none is repeated or left out."""
        ...

    def log_picture(self, name: str, path: Path) -> None:
        """Record a picture, such as "progress", at the end of the training. The file stays in the run's folder."""
        ...

    def log_model(self, folder: Path) -> None:
        """Record the finished model: the run's folder, which `nnplug predict -m` takes."""
        ...

    def end(self, *, finished: bool) -> None:
        """Write or send what is still in memory.

        Args:
            finished: whether the training is finished. If not, it was stopped, and a later start may resume it.
        """
        ...


def epoch_figures(line: LogLine, classes: Sequence[str]) -> dict[str, float]:
    """Return the figures of an epoch by name: those of the line that are not None, and "dice/CLASS".

    Args:
        line: the line of the epoch.
        classes: the names of the classes or regions, in the order of `line.dice`.
    """
    single = {
        "learning_rate": line.learning_rate,
        "train_loss": line.train_loss,
        "val_loss": line.val_loss,
        "mean_dice": line.mean_dice,
        "smoothed_dice": line.smoothed_dice,
        "seconds": line.seconds,
        "wait_seconds": line.wait_seconds,
    }
    per_class = {f"dice/{name}": value for name, value in zip(classes, line.dice or (), strict=False)}
    return {name: value for name, value in {**single, **per_class}.items() if value is not None}
