"""Trainers: train a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.contracts.accelerator import Workload
from nnplug.plans.plans import Configuration
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

    from nnplug.contracts.augmenter import BatchAugmenter
    from nnplug.dataset.labels import Labels
    from nnplug.workspace.case_store import CaseStore
    from nnplug.workspace.layout import RunFolder


def _unchanged(network: torch.nn.Module, _workload: Workload) -> torch.nn.Module:
    return network


@dataclass(frozen=True)
class TrainingTask:
    """All that a trainer uses; it looks up nothing.

    Attributes:
        network: in training mode gives logits from fine to coarse; on the CPU, initialised from the run's seed.
        configuration: patch, batch size, batch Dice.
        labels: classes or regions, and the ignore label.
        cases: the preprocessed cases; in a cascade with what the previous stage predicted.
        training: names of the cases to learn from.
        validation: names of the cases to watch; for fold "all" the same.
        augmenter: random transforms.
        masked_channels: channels that are 0 outside the nonzero mask.
        device: where to train.
        run: the folder to write into; a `state.pt` there is gone on from.
        seed: of every random draw.
        workers: threads that load and augment; the losses do not depend on it.
        progress: where to report.
        world: the processes that train this network together. Each has a device, its share of every batch and the
            same `run`, into which the first alone writes.
        accelerate: returns a network in the fastest form that the installed accelerators have for a workload; its
            parameters and their names stay. Call it once with the network on `device`, and train what it returns.
    """

    network: torch.nn.Module
    configuration: Configuration
    labels: Labels
    cases: CaseStore
    training: tuple[str, ...]
    validation: tuple[str, ...]
    augmenter: BatchAugmenter
    masked_channels: tuple[int, ...]
    device: torch.device
    run: RunFolder
    seed: int
    workers: int
    progress: Progress
    world: World = SINGLE_PROCESS
    accelerate: Callable[[torch.nn.Module, Workload], torch.nn.Module] = _unchanged

    @property
    def previous_labels(self) -> tuple[int, ...]:
        """Values of each case's `previous` label map that are input channels, after the image's; none as a rule."""
        return self.configuration.previous_labels(self.labels)


@dataclass(frozen=True)
class TrainingLength:
    """The length of a training.

    Attributes:
        iterations: batches to learn from in the whole training, at least 1.
        validation_iterations: validation batches in the whole training.
        log_lines: lines of `log.jsonl`, one per epoch, at least 1.

    Raises:
        ValueError: a number is smaller.
    """

    iterations: int
    validation_iterations: int
    log_lines: int

    def __post_init__(self) -> None:
        """Refuse a training of nothing."""
        if self.iterations < 1 or self.validation_iterations < 0 or self.log_lines < 1:
            raise ValueError(f"{self}: a training has at least 1 iteration and 1 line in its log")


class Trainer(Protocol):
    """A training procedure.

    Its entry says `takes_previous_stage=True` where it gives the network `TrainingTask.previous_labels`; a trainer
    whose entry does not say so is refused where a configuration refines the prediction of another. Likewise
    `takes_several_devices=True` says that it shares its batches as `TrainingTask.world` asks, and `case_index` names a
    `CaseIndexer`, whose index every case of `TrainingTask.cases` then has.
    """

    def mirror_axes(self, dimensions: int) -> tuple[int, ...]:
        """The spatial axes mirrored in training, and so in prediction; recorded with the model."""
        ...

    def length(self, task: TrainingTask) -> TrainingLength:
        """Return how long `train(task)` takes from its start, at most where it may end early."""
        ...

    def options_for(self, length: TrainingLength) -> Mapping[str, Any]:
        """Return the options, as JSON values, that make a training this long.

        Numbers that do not divide are rounded up.
        `nnplug bench` and the conformance kit set them beside the other options of this trainer to shorten it.
        """
        ...

    def train(self, task: TrainingTask) -> None:
        """Train to the end, going on from `task.run.state` where it exists.

        Leaves `log.jsonl` (of `nnplug.contracts.LogLine`), `weights_best.safetensors` and `weights_final.safetensors`
        in the run's folder, and last of all removes the state.
        Killed at any instant, it leaves what the next call goes on from, with equal results.
        """
        ...


class ExtensibleTrainer(Trainer, Protocol):
    """A training procedure that can go on with a finished run; its entry says `extends_runs=True`.

    At its end `train` leaves `task.run.final_state`, which with the final weights is enough to go on. To extend the
    run, the core renames it to `task.run.state` and calls `train` with the new options.
    """

    def extends(self, earlier: Trainer) -> bool:
        """Return whether a run that was finished with the options of `earlier` can be continued with these."""
        ...
