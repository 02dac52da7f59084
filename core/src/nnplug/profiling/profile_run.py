"""Profile a short training with the plans and cases of a run. The run itself is not changed."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnplug.contracts import Trainer, TrainingLength
from nnplug.contracts.kinds import TRAINER
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.splits import Fold
from nnplug.errors import NnplugError
from nnplug.models.acceleration import accelerators
from nnplug.plans.plans import Plans, read_plans
from nnplug.preparation.make_plans import with_options
from nnplug.profiling.report import EpochProfile, Timer, conclude
from nnplug.profiling.timers import TimedAugmenter, TimedStore
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.components import Kind, Registry
from nnplug.registry.provenance import resolve
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.seeds import keep_random_state
from nnplug.training.job import TrainingJob
from nnplug.training.task import USED, index_cases, make_task
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.layout import Workspace
from nnplug.workspace.runs import TrainedRun, open_run

if TYPE_CHECKING:
    from nnplug.contracts import TrainingTask

ITERATIONS = 20
_WARM_UP = 5  # the first iterations choose algorithms and take batches that were made before the measurement
_VALIDATION = 5


def profile_run(
    run: Path,
    runtime: Runtime,
    *,
    iterations: int = ITERATIONS,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> EpochProfile:
    """Train a few iterations of a run from the start, in a temporary folder, and return the time of each part.

    Args:
        run: the folder of a run, finished or not, inside its workspace, which must have the preprocessed cases.
        runtime: the plugins, the device to train on, and the threads that load and augment.
        iterations: the number of measured iterations, after a few to warm up.
        options: kind -> option -> value, as in `--set`; they override those of the run.

    Raises:
        NnplugError: there is no run, its cases are not preprocessed, or its trainer made too few steps.
        MissingProvider: a component of the run is not available.
    """
    trained = open_run(run)
    plans = with_options(read_plans(trained.folder.plans), options or {}, registry=runtime.registry)
    entries, notes = resolve(plans.providers, runtime.plugins, what=f"run {run}", kinds=USED)
    for note in notes:
        runtime.progress.notice(note)
    components = Registry([*entries.values(), *accelerators(runtime.plugins.registry)])
    whole = _trainer(plans, components)
    length = TrainingLength(_WARM_UP + runtime.threads + iterations, _VALIDATION, log_lines=1)
    short = _shortened(plans, components, whole, length)
    watch = Timer.on(runtime.torch_device())
    with tempfile.TemporaryDirectory(prefix="nnplug-bench-") as folder:
        job = _job(trained, short, Path(folder))
        fold = Fold(train=trained.record.training, val=trained.record.validation)
        cases = _cases(trained)
        index_cases(job, components, cases, fold, runtime)
        task = make_task(job, components, cases, fold, runtime)
        with attributed(whole):
            planned = expect(whole, whole.length(task), TrainingLength)
            _train(_trainer(short, components), task, watch)
    return conclude(trained, watch, planned, runtime.threads, iterations)


def _train(trainer: Trainer, task: TrainingTask, watch: Timer) -> None:
    task.run.path.mkdir(parents=True)
    watched = dataclasses.replace(
        task,
        cases=TimedStore(task.cases, watch.load),
        augmenter=TimedAugmenter(task.augmenter, watch.augment, watch.steps),
    )
    with watch.steps.watching(task.network), keep_random_state(task.device):
        trainer.train(watched)


def _trainer(plans: Plans, components: Registry) -> Trainer:
    choice = plans.choice(Kind.TRAINER)
    return components.create(TRAINER, choice.name, choice.options)


def _shortened(plans: Plans, components: Registry, trainer: Trainer, length: TrainingLength) -> Plans:
    """Return the plans with the trainer's options for a training of this length."""
    entry = components.get(TRAINER, plans.choice(Kind.TRAINER).name)
    with attributed(trainer):
        options = trainer.options_for(length)
    return with_options(plans, {Kind.TRAINER: options}, registry=Registry([entry]))


def _job(trained: TrainedRun, plans: Plans, folder: Path) -> TrainingJob:
    """Return the training of the run, written to another folder."""
    record = trained.record
    dataset = Dataset(folder / record.dataset, DatasetDescription.read(trained.folder.description))
    workspace = Workspace(folder, record.dataset)
    return TrainingJob(workspace, dataset, plans, record.configuration, record.fold, record.seed)


def _cases(trained: TrainedRun) -> CaseStore:
    """Return the preprocessed cases of the run, in its workspace."""
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
            "workspace. If its cases were deleted, make them again.",
            Action.PREPROCESS_AGAIN(),
        )
    return store
