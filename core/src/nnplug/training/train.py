"""Train one fold of a configuration. A stopped training resumes, with the results of an uninterrupted one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from nnplug.contracts import Trainer, TrainingLength, TrainingTask
from nnplug.contracts.capabilities import adaptive
from nnplug.contracts.kinds import ARCHITECTURE, AUGMENTER, LOSS, TRAINER, TrainerEntry
from nnplug.dataset.splits import Fold
from nnplug.errors import NnplugError
from nnplug.models.acceleration import accelerators
from nnplug.preparation.make_splits import ensure_splits
from nnplug.preparation.optional_components import OPTIONAL
from nnplug.preparation.preprocessing import planned_preprocessor
from nnplug.registry.attribution import Origin, attributed, expect, origin_of, tagged
from nnplug.registry.components import Kind, Registry
from nnplug.registry.entries import LossComponent, TrainerComponent
from nnplug.registry.provenance import resolve
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug.runtime.files import remove_leftovers
from nnplug.runtime.free_cores import on_free_cores
from nnplug.runtime.seeds import keep_random_state
from nnplug.training.extend import begin_extension, is_extension
from nnplug.training.finish_check import check_finished, shapes_of
from nnplug.training.job import TrainingJob
from nnplug.training.log_check import LogCheckingProgress, check_log
from nnplug.training.plots import draw_curves
from nnplug.training.previous_stage import (
    check_predictions_complete,
    check_takes_previous_stage,
)
from nnplug.training.resumable import check_inputs, check_resumable, warn_of_changed_cases
from nnplug.training.run_versions import RunVersions
from nnplug.training.start_record import write_record
from nnplug.training.task import USED, checked_each_epoch, index_cases, make_task
from nnplug.training.trackers.tracking import tracked
from nnplug.training.trainer_call import RecordingAccelerate, explained_shortage, record_length
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_lock import alone_in


def train(job: TrainingJob, runtime: Runtime, *, world: World = SINGLE_PROCESS) -> RunFolder:
    """Train a fold to the end and return its run folder. A stopped training resumes.

    A finished fold is not changed, unless the plans have a longer training: then it continues from its final weights.

    Args:
        job: the fold.
        runtime: plugins that offer the components of the plans, the device to train on, and the threads that load and
            augment; their number does not change the results.
        world: the processes that call this function together; only the main process writes.

    Raises:
        NnplugError: the fold was started with other plans, another seed or other cases; its cases are not preprocessed;
            a chosen component does not support cascades or several devices, although they are used; or another process
            works on the fold.
        Problems: folds of the previous stage are missing; a line each with the command to train it.
        MissingProvider: a component that the plans name is not available.
        OutOfResources: the GPU has too little memory for a batch.
    """
    with alone_in(job.run, runtime.progress) if world.is_main else nullcontext():
        if is_extension(job, runtime.plugins) and world.is_main:
            _planned_components(job, runtime)  # nothing is removed before every component and input is found
            check_inputs(job, ensure_splits(job.dataset, job.workspace, progress=runtime.progress))
            begin_extension(job, runtime.progress)
        if world.is_main:
            remove_leftovers(job.run.path)
        world.wait()
        with runtime.limited_memory():
            _train(job, runtime, world)
    return job.run


def _train(job: TrainingJob, runtime: Runtime, world: World) -> None:
    splits = ensure_splits(job.dataset, job.workspace, progress=runtime.progress)
    fold = check_resumable(job, splits)
    if world.is_main:
        warn_of_changed_cases(job, runtime.progress)
    if job.run.is_finished:
        if world.is_main:
            _finish(job, runtime)
        return
    if world.is_main:
        _warn_of_random_fold(job, splits, runtime)
    ready = _ready(job, fold, splits, runtime, world)
    with attributed(ready.trainer, *ready.called):
        if world.is_main:
            _record_start(job, fold, splits, ready)
        world.wait()  # a trainer may read the record, which must say the same to every process
        ready = replace(ready, task=replace(checked_each_epoch(ready.task, ready.trainer), world=world))
    if world.is_main:
        _train_and_record(ready, job, runtime)
        return
    with _explained(ready, job):
        ready.trainer.train(ready.task)


@dataclass(frozen=True)
class _Ready:
    """A training before it starts, with all that it needs found and checked.

    Attributes:
        trainer: the trainer, with what it decides from the cases.
        entry: its entry.
        task: the training.
        versions: of the distributions that train.
        called: the components that the trainer calls, so that an error of theirs names them.
    """

    trainer: Trainer
    entry: TrainerEntry
    task: TrainingTask
    versions: RunVersions
    called: tuple[Origin, ...]


def _ready(job: TrainingJob, fold: Fold, splits: Sequence[Fold], runtime: Runtime, world: World) -> _Ready:
    """Return the training of a fold; raise if components or cases are missing, or do not fit together."""
    components = _planned_components(job, runtime)
    _check_preprocessed(job, fold, job.cases)
    if world.is_main:
        index_cases(job, components, job.cases, fold, runtime)
    world.wait()
    task = make_task(job, components, job.cases, fold, runtime)
    choice = job.plans.choice(Kind.TRAINER)
    entry = components.get(TRAINER, choice.name)
    trainer = _adapted(entry, entry.create(choice.options), task)
    if task.previous_labels:
        _check_previous_stage(job, components, runtime.registry)
        check_predictions_complete(job, fold, splits)
    _check_devices(job, components, world)
    versions = RunVersions.of(job, components, runtime.registry, runtime.progress)
    return _Ready(trainer, entry, task, versions, _called_by_trainer(job, task, components))


def _record_start(job: TrainingJob, fold: Fold, splits: Sequence[Fold], ready: _Ready) -> None:
    """Write the record of the run and the length of the training."""
    trainer, task = ready.trainer, ready.task
    write_record(
        job,
        fold,
        splits,
        mirror_axes=trainer.mirror_axes(task.configuration.dimensions),
        versions=ready.versions.versions,
        unlabelled=tuple(task.unlabelled) if ready.entry.component.takes_unlabelled else None,
    )
    record_length(job.run, expect(trainer, trainer.length(task), TrainingLength))


def _adapted(entry: TrainerEntry, made: Trainer, task: TrainingTask) -> Trainer:
    """Return a trainer with what it decides from the cases, if its entry says that it does."""
    if (deciding := adaptive(entry, made)) is None:
        return made
    with attributed(made):
        decided = expect(made, deciding.adapted(task), type(made))
    origin = origin_of(made)
    return decided if origin is None else tagged(decided, origin)


@contextmanager
def _explained(ready: _Ready, job: TrainingJob) -> Iterator[None]:
    """Let the block call the trainer: its errors name the component, and random numbers of the caller stay."""
    task = ready.task
    with explained_shortage(job, task), attributed(ready.trainer, *ready.called), keep_random_state(task.device):
        yield


def _train_and_record(ready: _Ready, job: TrainingJob, runtime: Runtime) -> None:
    """Train in the main process, check what the trainer leaves, draw the curves and send all of it to the trackers."""
    trainer, task, shapes = ready.trainer, ready.task, shapes_of(ready.task.network)
    with tracked(job, runtime) as step:
        progress = LogCheckingProgress(runtime.progress, job.run.log, trainer, ready.versions.note_change, step)
        recording = RecordingAccelerate(job, task.accelerate, runtime.progress)
        # several processes share the cores among themselves
        alone = on_free_cores(task.device) if task.world.size == 1 else nullcontext()
        with _explained(ready, job), alone:
            trainer.train(replace(task, progress=progress, accelerate=recording))
        check_log(job.run.log, trainer)
        check_finished(job.run, trainer, shapes)
        draw_curves(job.run.log, job.run.curves)


def _finish(job: TrainingJob, runtime: Runtime) -> None:
    """Draw the curves of a finished run if a kill prevented it; send the run to trackers that lack a part of it."""
    with tracked(job, runtime):
        if not job.run.curves.exists():
            draw_curves(job.run.log, job.run.curves)


def _planned_components(job: TrainingJob, runtime: Runtime) -> Registry:
    """Return the components that the plans name, and the installed accelerators; notices go to the progress."""
    entries, notes = resolve(job.plans.providers, runtime.plugins, what=f"plans {job.plans.name!r}", kinds=USED)
    for note in () if job.run.record.exists() else notes:  # a begun run has its own versions, see `RunVersions`
        runtime.progress.notice(note)
    return Registry([*entries.values(), *accelerators(runtime.plugins.registry)])


def _check_previous_stage(job: TrainingJob, components: Registry, installed: Registry) -> None:
    """Raise `NnplugError` unless every component of a cascade's training takes labels of the previous stage."""
    preprocessor, _ = planned_preprocessor(job.plans, installed)
    augmenter = components.get(AUGMENTER, job.plans.choice(Kind.AUGMENTER).name)
    trainer = components.get(TRAINER, job.plans.choice(Kind.TRAINER).name)
    check_takes_previous_stage(job, preprocessor.component, augmenter.component, trainer.component)


def _called_by_trainer(job: TrainingJob, task: TrainingTask, components: Registry) -> tuple[Origin, ...]:
    """Return the origins of the components that the trainer calls, so that an error of theirs names them."""
    network = components.get(ARCHITECTURE, task.configuration.architecture.name)
    named = [components.get(kind, job.plans.choice(kind).name) for kind in OPTIONAL if kind in job.plans.choices]
    return tuple(entry.origin for entry in (network, *named, *accelerators(components)))


def _warn_of_random_fold(job: TrainingJob, splits: Sequence[Fold], runtime: Runtime) -> None:
    """Warn of a fold that the splits do not have: its cases are drawn at random, whichever patients they belong to."""
    if isinstance(job.fold, int) and job.fold >= len(splits):
        runtime.progress.warning(
            f"{job.workspace.splits} has {len(splits)} folds, counted from 0. For fold {job.fold}, a random 80 % of "
            "the cases are trained on and the others validated on; cases of one patient may be on both sides"
        )


def _check_devices(job: TrainingJob, components: Registry, world: World) -> None:
    """Raise `NnplugError` if trainer or loss cannot divide batches between several devices."""
    chosen: list[TrainerComponent | LossComponent] = []
    chosen.append(components.get(TRAINER, job.plans.choice(Kind.TRAINER).name).component)
    if Kind.LOSS in job.plans.choices:
        chosen.append(components.get(LOSS, job.plans.choice(Kind.LOSS).name).component)
    for one in chosen if world.size > 1 else ():
        if not one.takes_several_devices:
            raise NnplugError(
                f"{one.kind} {one.name!r} trains on one device", Action.USE_ONE_DEVICE(devices=world.size)
            )


def _check_preprocessed(job: TrainingJob, fold: Fold, cases: CaseStore) -> None:
    if missing := sorted({*fold.train, *fold.val} - set(cases)):
        raise NnplugError(
            f"{cases.folder}: {len(missing)} cases are not preprocessed ({missing[0]}, ..)",
            job.preprocess_first,
        )
