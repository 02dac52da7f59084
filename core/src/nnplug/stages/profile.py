"""Where an epoch's time goes: a short training of a run's plans on its cases, watched; nothing of the run changes."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

from nnplug.components import Kind, Registry
from nnplug.contracts import Trainer
from nnplug.data.dataset import Dataset, DatasetDescription
from nnplug.data.plans import Plans, read_plans
from nnplug.data.splits import Fold
from nnplug.data.store import CaseStore
from nnplug.data.workspace import Workspace
from nnplug.errors import NnplugError
from nnplug.plugins import Plugins
from nnplug.provenance import resolve
from nnplug.records import Record
from nnplug.runtime.memory import keep_freed_memory
from nnplug.runtime.progress import Progress
from nnplug.stages.plan import with_options
from nnplug.stages.runs import TrainedRun, open_run
from nnplug.stages.stopwatch import StepWatch, Tally, TimedAugmenter, TimedStore
from nnplug.stages.train import USED, Components, TrainingJob, create, make_task

if TYPE_CHECKING:
    from nnplug.contracts import TrainingTask

ITERATIONS = 20
_WARM_UP = 5  # first iterations choose algorithms and find batches that were made before the clock ran
_VALIDATION = 5
_COPIES = 5
_WAIT_THAT_MATTERS = 0.05


class Parts(Record, frozen=True, kw_only=True):
    """Seconds of one iteration, one after the other.

    Attributes:
        wait: for the next batch, and the trainer's own bookkeeping.
        transfer: of the batch to the device, measured apart; 0 on a CPU, which copies nothing.
        forward: through the network.
        loss: and its gradient.
        backward: through the network.
        optimiser: clipping and the change of the weights.
    """

    wait: float
    transfer: float
    forward: float
    loss: float
    backward: float
    optimiser: float

    @property
    def total(self) -> float:
        """Seconds of the iteration."""
        return float(sum(self.data().values()))


class EpochProfile(Record, frozen=True, kw_only=True):
    """Where the time of a training goes.

    Attributes:
        run: its folder.
        device: where the network computed.
        workers: threads that load and augment.
        batch: shape of a batch of images, (B, C, *patch).
        iterations: how many were measured.
        parts: of a mean iteration.
        load: seconds of the threads per batch, reading; the parts run beside them.
        augment: seconds of the threads per batch, augmenting.
        validation: seconds of the network per validation batch; None if the trainer made no such pass.
        epoch: estimate of the run's epoch from these, validation included; None where the trainer has no options
            `iterations_per_epoch` and `val_iterations_per_epoch`.
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
    epoch: float | None
    verdict: str


@dataclass
class Watch:
    """What is counted while a trainer works.

    Attributes:
        steps: of the network.
        load: reading of the threads.
        augment: of the threads.
        made: load and augment when the weights were last changed: what validation reads later does not count.
    """

    steps: StepWatch
    load: Tally
    augment: Tally
    made: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def on(cls, device: torch.device) -> Watch:
        """A watch that has counted nothing."""
        watch = cls(StepWatch(device), Tally(), Tally())
        watch.steps.on_step = watch._note
        return watch

    def _note(self) -> None:
        self.made = (self.load.seconds, self.augment.seconds)


def profile_run(
    run: Path,
    *,
    plugins: Plugins,
    device: torch.device,
    workers: int,
    progress: Progress,
    iterations: int = ITERATIONS,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> EpochProfile:
    """Train a few iterations of a run from the start, in a temporary folder, and see where the time goes.

    Args:
        run: a run's folder, finished or not, in its workspace: the preprocessed cases are looked for there.
        plugins: what is installed.
        device: where to train.
        workers: threads that load and augment.
        progress: where to report.
        iterations: to measure, after a few to warm up.
        options: kind -> option -> value, as `--set` gives them, winning over the run's.

    Raises:
        NnplugError: there is no run, its cases are not preprocessed, or its trainer took too few steps to judge.
        MissingProvider: a component of the run is not to be had.
    """
    trained = open_run(run)
    plans = with_options(read_plans(trained.folder.plans), options or {}, registry=plugins.registry)
    components, notes = resolve(plans.providers, plugins, what=f"run {run}", kinds=USED)
    for note in notes:
        progress.notice(note)
    whole: Trainer = create(components, plans, Kind.TRAINER)
    short = _shortened(plans, components, _WARM_UP + workers + iterations)
    watch = Watch.on(device)
    with tempfile.TemporaryDirectory(prefix="nnplug-bench-") as folder:
        job = _job(trained, short, Path(folder))
        fold = Fold(train=trained.record.training, val=trained.record.validation)
        task = make_task(
            job, components, _cases(trained), fold, device=device, workers=workers, progress=progress
        )  # fmt: skip
        _train(create(components, short, Kind.TRAINER), task, watch)
    return conclude(trained, watch, whole, workers, iterations)


def _train(trainer: Trainer, task: TrainingTask, watch: Watch) -> None:
    task.run.path.mkdir(parents=True)
    if task.device.type == "cpu":
        keep_freed_memory()
    watched = dataclasses.replace(
        task, cases=TimedStore(task.cases, watch.load), augmenter=TimedAugmenter(task.augmenter, watch.augment)
    )
    with watch.steps.watching(task.network):
        trainer.train(watched)


def _shortened(plans: Plans, components: Components, iterations: int) -> Plans:
    """The plans with a single short epoch, where the trainer has options of these names."""
    choice = plans.choice(Kind.TRAINER)
    entry = components[Kind.TRAINER, choice.name]
    names = {name for name, _, _ in entry.options()}
    short = {"epochs": 1, "iterations_per_epoch": iterations, "val_iterations_per_epoch": _VALIDATION}
    options = {"trainer": {name: value for name, value in short.items() if name in names}}
    return with_options(plans, options, registry=Registry([entry]))


def _job(trained: TrainedRun, plans: Plans, folder: Path) -> TrainingJob:
    """The run's training, into another folder."""
    record = trained.record
    dataset = Dataset(folder / record.dataset, DatasetDescription.read(trained.folder.description))
    workspace = Workspace(folder, record.dataset)
    return TrainingJob(workspace, dataset, plans, record.configuration, record.fold, record.seed)


def _cases(trained: TrainedRun) -> CaseStore:
    """The cases that the run learned from, beside it in its workspace."""
    record, path = trained.record, trained.folder.path.resolve()
    root = path.parents[3] if len(path.parents) > 3 else path
    workspace = Workspace(root.parent, root.name)
    planned = workspace.plans(record.plans)  # of all configurations, which share cases
    plans = read_plans(planned if planned.is_file() else trained.folder.plans)
    dataset = Dataset(root, DatasetDescription.read(trained.folder.description))
    store = TrainingJob(workspace, dataset, plans, record.configuration, record.fold).cases
    if missing := sorted({*record.training, *record.validation} - set(store)):
        raise NnplugError(
            f"{store.folder}: {len(missing)} cases of the run are not there ({missing[0]}, ..). Give a run in its "
            f"workspace, and run nnplug preprocess if its cases were deleted."
        )
    return store


def conclude(trained: TrainedRun, watch: Watch, trainer: object, workers: int, wanted: int) -> EpochProfile:
    """Average the last `wanted` iterations that follow one another.

    Raises:
        NnplugError: there are none.
    """
    steps = watch.steps
    pairs = [pair for pair in pairwise(steps.iterations) if all(iteration.is_whole for iteration in pair)][-wanted:]
    if not pairs:
        raise NnplugError(
            f"{trained.folder.path}: its trainer took no two steps one after the other; there is nothing to measure. "
            "Give it more with --set trainer.KEY=VALUE."
        )
    apart = [_parts(steps, before.stepped, now.marks) for before, now in pairs]
    transfer = _transfer_seconds(steps)
    wait, *rest = (fmean(column) for column in zip(*apart, strict=True))
    forward, loss, backward, optimiser = rest
    parts = Parts(
        wait=max(0.0, wait - transfer),
        transfer=transfer,
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
        epoch=_epoch(trainer, parts, validation),
        verdict=verdict(parts, load + augment, workers),
    )


def _parts(steps: StepWatch, before: Any, marks: tuple[Any, ...]) -> list[float]:
    """Waiting, forward, loss, backward and optimiser of one iteration."""
    return [steps.seconds(begin, end) for begin, end in pairwise((before, *marks))]


def _transfer_seconds(steps: StepWatch) -> float:
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


def _epoch(trainer: object, parts: Parts, validation: float | None) -> float | None:
    iterations = getattr(trainer, "iterations_per_epoch", None)
    passes = getattr(trainer, "val_iterations_per_epoch", None)
    if iterations is None or passes is None:
        return None
    return float(iterations * parts.total + passes * (validation or 0.0))


def verdict(parts: Parts, busy: float, workers: int) -> str:
    """What limits a training whose threads are `busy` so many seconds per batch."""
    share = parts.wait / parts.total
    if share <= _WAIT_THAT_MATTERS:
        return f"the network limits: it waits for data {share:.1%} of the time"
    if busy / workers < parts.total * (1 - share):
        return (
            f"it waits {share:.1%} of the time, though the threads have time left: the trainer's own work, or the GIL"
        )
    return (
        f"data limits: the network waits {share:.1%} of the time for {workers} threads that take {busy:.3g} s together "
        "per batch. Give more cores and --workers."
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
