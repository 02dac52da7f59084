"""Trainers: train a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.contracts.accelerator import Workload
from nnplug.plans.plans import Configuration
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

    from nnplug.contracts.augmenter import BatchAugmenter
    from nnplug.contracts.loss import Loss
    from nnplug.contracts.sampler import Sampler
    from nnplug.dataset.labels import Labels
    from nnplug.workspace.case_store import CaseStore
    from nnplug.workspace.layout import RunFolder
    from nnplug.workspace.unlabelled import UnlabelledCase


def _unchanged(network: torch.nn.Module, _workload: Workload) -> torch.nn.Module:
    return network


def _any_size(size: Sequence[int]) -> None:
    """Accept every size; used where the task has no architecture."""


@dataclass(frozen=True)
class TrainingTask:
    """The whole input of a trainer; it looks up nothing else.

    Attributes:
        network: the network, on the CPU, initialised from the run's seed. In training mode it returns logits from fine
            to coarse.
        configuration: patch size, batch size, batch Dice.
        labels: classes or regions, and the ignore label.
        cases: the preprocessed cases; in a cascade with the label maps of the previous stage.
        training: names of the training cases.
        validation: names of the validation cases; for fold "all" the training cases.
        augmenter: the random transforms.
        masked_channels: channels that are 0 outside the nonzero mask.
        device: the device to train on.
        run: the folder to write into. If it has a `state.pt`, training resumes from it.
        seed: the seed that every random draw derives from.
        workers: the number of threads that load and augment; the losses do not depend on it.
        progress: receives progress, notices and warnings.
        world: the processes that train this network together. Each has a device, its part of every batch and the same
            `run`, where only the main process writes.
        loss: the loss that the plans name; None if they name none, and the trainer uses its own.
        sampler: the sampler that the plans name; None if they name none, and the trainer uses its own.
        accelerate: returns the fastest form of a network that the installed accelerators have for a workload, with the
            same parameters and names. Call it once with the network on `device`, and train the result. The run records
            the precision of the workload, in which a GPU predicts later.
        unlabelled: the preprocessed images without label maps by name, from the dataset's folder `imagesUn`; empty if
            there are none, or the trainer's entry has `takes_unlabelled=False`. In a cascade they have the channels of
            the image alone.
        check_patch: raises `NnplugError` if `network` takes no patch of this size, as `Architecture.check_patch`.
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
    loss: Loss | None = None
    sampler: Sampler | None = None
    accelerate: Callable[[torch.nn.Module, Workload], torch.nn.Module] = _unchanged
    unlabelled: Mapping[str, UnlabelledCase] = field(default_factory=dict)
    check_patch: Callable[[Sequence[int]], None] = _any_size

    @property
    def previous_labels(self) -> tuple[int, ...]:
        """The values of each case's `previous` label map that are input channels, after the image's; usually none."""
        return self.configuration.previous_labels(self.labels)


@dataclass(frozen=True)
class TrainingLength:
    """The length of a training.

    Attributes:
        iterations: the number of training batches in the whole training, at least 1.
        validation_iterations: the number of validation batches in the whole training, at least 0.
        log_lines: the number of lines of `log.jsonl`, one per epoch, at least 1.
        voxels: the voxels of all training batches, divided by those of as many batches of the planned patch and batch
            size; below 1 if some are smaller. `nnplug plan --estimate` and `nnplug bench` multiply times by it.

    Raises:
        ValueError: a number is smaller.
    """

    iterations: int
    validation_iterations: int
    log_lines: int
    voxels: float = field(default=1.0, compare=False)

    def __post_init__(self) -> None:
        """Raise `ValueError` unless all numbers are in their range."""
        if self.iterations < 1 or self.validation_iterations < 0 or self.log_lines < 1 or self.voxels <= 0:
            raise ValueError(f"{self}: a training has at least 1 iteration, 1 line in its log and 1 voxel")


class Trainer(Protocol):
    """A component that trains networks.

    Its entry has `takes_previous_stage=True` if it adds `TrainingTask.previous_labels` to the network's input; if not,
    it is refused for configurations with a previous stage. Its entry has `takes_several_devices=True` if it divides
    batches between the processes of `TrainingTask.world`, `takes_loss=True` if it minimises `TrainingTask.loss`,
    `takes_sampler=True` if it places patches by `TrainingTask.sampler`, and `takes_unlabelled=True` if it learns from
    `TrainingTask.unlabelled`. `case_index` of its entry names a `CaseIndexer`; every case of `TrainingTask.cases` then
    has this index, or that of the sampler.
    """

    def mirror_axes(self, dimensions: int) -> tuple[int, ...]:
        """Return the spatial axes that are mirrored in training and in prediction; the model records them."""
        ...

    def length(self, task: TrainingTask) -> TrainingLength:
        """Return the length of `train(task)` from its start; the maximum if it may end early."""
        ...

    def options_for(self, length: TrainingLength) -> Mapping[str, Any]:
        """Return the options (JSON values) that give a training this length.

        Quotients that are not integers are rounded up. `nnplug bench`, `nnplug plan --estimate` and the conformance kit
        add these options to the others of this trainer, to shorten it.
        """
        ...

    def train(self, task: TrainingTask) -> None:
        """Train to the end; resume from `task.run.state` if it exists.

        It writes `log.jsonl` (lines of `nnplug.contracts.LogLine`), `weights_best.safetensors` and
        `weights_final.safetensors` into the run's folder, and at the very end removes the state. After a kill at any
        moment, the next call continues and gives equal results.
        """
        ...


class AdaptiveTrainer(Trainer, Protocol):
    """A trainer that decides options from the cases; its entry has `adapts=True`."""

    def adapted(self, task: TrainingTask) -> Trainer:
        """Return this trainer, or one of its class with other options, for the cases of a task.

        The core calls it in every process and at every start, before anything else than `length` and `options_for`. It
        returns the same for each fold, so it decides from all cases in `task.cases`, not from those of the fold:
        predictions of folds that mirror other axes cannot be averaged.
        """
        ...


class ExtensibleTrainer(Trainer, Protocol):
    """A trainer that can extend a finished run; its entry has `extends_runs=True`.

    At its end, `train` writes `task.run.final_state`; with the final weights it is enough to continue. To extend a run,
    the core renames it to `task.run.state` and calls `train` with the new options.
    """

    def extends(self, earlier: Trainer) -> bool:
        """Return whether a run that finished with the options of `earlier` can continue with these options."""
        ...


@dataclass(frozen=True)
class TrainingRehearsal:
    """A training that has begun without data, so that the memory of its steps can be counted.

    Attributes:
        step: computes one training step as `train` does, with the same batch each time.
        beside: what the device does at the same time as a step, one function per stream, such as the augmentation of
            the next batch. The memory of each comes on top of the step's.
    """

    step: Callable[[], object]
    beside: tuple[Callable[[], object], ...] = ()


class RehearsingTrainer(Trainer, Protocol):
    """A trainer whose memory can be counted before it trains; its entry has `rehearses=True`."""

    def rehearse(self, task: TrainingTask, place: torch.device) -> TrainingRehearsal:
        """Return a training before its first step, with everything in memory that `train` keeps there.

        It decides by `task.device` as `train` does (precision, loss, where patches are augmented), but its tensors are
        on `place`, and have shapes without numbers. It moves no network, reads no cases, writes no files and compiles
        nothing.

        Args:
            task: a task without cases; `task.device` is the device of the training, which may not be here.
            place: the device of the tensors and of `task.network`.
        """
        ...
