"""Tiny trainings for the checks of trainers.

The network and the augmenter are the kit's own, so that faults are the trainer's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import msgspec
import torch
from safetensors.torch import load_file

from nnplug.contracts import BatchAugmenter, RehearsingTrainer, Trainer, TrainingLength, TrainingTask
from nnplug.contracts.kinds import TrainerEntry
from nnplug.plans.plans import Choice, Configuration, Normalization, Resampling
from nnplug.preparation.case_index import complete_index, indexing_of
from nnplug.profiling.memory.training import TrainingMemory, count_rehearsal
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.testing import samples
from nnplug.testing.check import Subject
from nnplug.testing.samples import Image, Label
from nnplug.testing.stand_ins import Crop, TinyNetwork, check_even
from nnplug.workspace.case_store import CaseStore, StoredCase
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.unlabelled import UnlabelledCase, UnlabelledStore

SHORT = TrainingLength(iterations=4, validation_iterations=2, log_lines=2)
"""The length of most trainings of the kit."""
LEARNING = TrainingLength(iterations=20, validation_iterations=2, log_lines=2)
"""The length of a training that must reduce the loss."""
PATCH = 8
BATCH = 2
NAMES = "abcd"
"""The names of the cases in the store: two for training, one for validation, one that is not used."""
UNLABELLED = "uv"
"""The names of the images without label maps."""

Weights = Mapping[str, torch.Tensor]
Make = Callable[[int], tuple[Image, Label]]


@dataclass(frozen=True)
class Setting:
    """The settings of a training of the kit.

    Attributes:
        axes: the number of spatial axes of the network.
        workers: the number of workers of the task.
        previous: whether it is the second stage of a cascade.
        make: the volumes of the cases.
        make_previous: the label maps of the previous stage.
        augmenter: the augmenter of the task.
        unlabelled: whether there are images without label maps.
    """

    axes: int = 2
    workers: int = 1
    previous: bool = False
    make: Make = samples.volume
    make_previous: Make = samples.volume
    augmenter: BatchAugmenter = field(default_factory=Crop)
    unlabelled: bool = False


class RecordingStore(CaseStore):
    """A case store that records the names of opened cases."""

    def __init__(self, store: CaseStore) -> None:
        """Use the cases of another store."""
        super().__init__(store.folder, previous=store.previous)
        self.opened: set[str] = set()

    def __getitem__(self, name: str) -> StoredCase:
        """See `CaseStore`."""
        self.opened.add(name)
        return super().__getitem__(name)


@dataclass(frozen=True)
class RecordingImages(UnlabelledStore):
    """A store of images without label maps that records the names of opened ones.

    Attributes:
        opened: the names.
    """

    opened: set[str] = field(default_factory=set, compare=False)

    def __getitem__(self, name: str) -> UnlabelledCase:
        """See `UnlabelledStore`."""
        self.opened.add(name)
        return super().__getitem__(name)


def make_trainer(subject: Subject, length: TrainingLength = SHORT) -> Trainer:
    """Return the trainer with the options for a training of this length."""
    whole: Trainer = subject.create()
    trainer: Trainer = subject.create(**whole.options_for(length))
    return trainer


def final_weights(subject: Subject, setting: Setting) -> Weights:
    """Return the final weights of a short training in a folder of its own."""
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), setting, subject)
        make_trainer(subject).train(task)
        weights: Weights = load_file(task.run.final_weights)
    return weights


def are_equal(a: Weights, b: Weights) -> bool:
    """Return whether two state dicts have the same keys and the same bits."""
    return set(a) == set(b) and all(torch.equal(a[key], b[key]) for key in a)


def make_task(folder: Path, setting: Setting, subject: Subject | None = None) -> TrainingTask:
    """Return a task with two training cases and an empty run folder.

    Args:
        folder: the folder for cases and run.
        setting: the settings of the training.
        subject: the trainer; the cases get the index that its entry names. None for cases without an index.
    """
    configuration = _configuration(setting.axes, previous="low" if setting.previous else None)
    more = configuration.previous_labels(samples.LABELS)
    run = RunFolder(folder / "runs" / "kit" / "kit" / "fold_0")
    run.path.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TinyNetwork(setting.axes, channels=samples.CHANNELS + len(more), outputs=samples.LABELS.outputs)
    return TrainingTask(
        network=network,
        configuration=configuration,
        labels=samples.LABELS,
        cases=_store(folder, setting, subject),
        training=("a", "b"),
        validation=("c",),
        augmenter=setting.augmenter,
        masked_channels=(),
        device=torch.device("cpu"),
        run=run,
        seed=0,
        workers=setting.workers,
        progress=Silent(),
        unlabelled=_unlabelled(folder / "unlabelled") if setting.unlabelled else {},
        check_patch=check_even,
    )


def rehearsed(subject: Subject, batch_size: int) -> TrainingMemory:
    """Return the memory of a step on a GPU, with batches of this size; the trainer's entry has `rehearses=True`."""
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), Setting(axes=3), subject)
    configuration = msgspec.structs.replace(task.configuration, batch_size=batch_size)

    def without_numbers() -> TrainingTask:
        network = TinyNetwork(3, channels=samples.CHANNELS, outputs=task.labels.outputs)
        device = torch.device("cuda")
        return replace(task, network=network, configuration=configuration, device=device, training=(), validation=())

    return count_rehearsal(cast("RehearsingTrainer", make_trainer(subject)), without_numbers)


def _unlabelled(folder: Path) -> RecordingImages:
    return RecordingImages(samples.write_unlabelled(folder, UNLABELLED).folder)


def _store(folder: Path, setting: Setting, subject: Subject | None) -> RecordingStore:
    store = samples.write_cases(
        folder / "cases",
        previous=folder / "previous" if setting.previous else None,
        make=setting.make,
        make_previous=setting.make_previous,
        names=NAMES,
    )
    if subject is not None:
        indexing = indexing_of(cast("TrainerEntry", subject.entry), samples.LABELS)
        if indexing is not None:
            complete_index(store, NAMES, indexing, executor=LocalExecutor(1), progress=Silent())
    return RecordingStore(store)


def _configuration(axes: int, *, previous: str | None) -> Configuration:
    return Configuration(
        spacing=(1.0,) * axes,
        patch_size=(PATCH,) * axes,
        batch_size=BATCH,
        median_shape=tuple(map(float, samples.SHAPE[-axes:])),
        normalization=(Normalization(name="kit", use_mask=False),) * samples.CHANNELS,
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name="kit"),
        previous_stage=previous,
    )
