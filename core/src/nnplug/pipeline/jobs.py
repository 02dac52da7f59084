"""The folds that a run trains: the requested ones, after the folds of previous stages that a cascade needs."""

from __future__ import annotations

from collections.abc import Sequence

from nnplug.dataset.splits import Fold
from nnplug.errors import Line, NnplugError, without_remedy
from nnplug.pipeline.request import RunRequest
from nnplug.plans.plans import Plans
from nnplug.preparation.make_splits import ensure_splits
from nnplug.remedies import Action
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.training.resumable import changed_cases, changed_in_words, check_resumable
from nnplug.workspace.layout import RunFolder


def make_jobs(request: RunRequest, plans: Plans, progress: Progress) -> list[TrainingJob]:
    """Return a job per requested fold, after jobs for every fold of the previous stages."""
    every = tuple(range(len(ensure_splits(request.dataset, request.workspace, progress=progress))))
    asked = asked_configurations(request, plans)
    names = tuple(dict.fromkeys(stage for name in asked for stage in plans.chain(name)))
    folds = {name: (request.folds or every) if name in asked else () for name in names}
    for name in names:
        if (refined := plans.configuration(name).previous_stage) is not None:
            folds[refined] = tuple(dict.fromkeys((*folds[refined], *every)))
    return [
        TrainingJob(
            request.workspace,
            request.dataset,
            plans,
            name,
            fold,
            request.seed,
            request.command,
            trackers=request.trackers,
        )
        for name in names
        for fold in folds[name]
    ]


def changed_runs(request: RunRequest, jobs: Sequence[TrainingJob], progress: Progress) -> list[RunFolder]:
    """Return the runs that started with other values, cases or previous stages, and those that refine such a run.

    A finished run with the same values stays, with a notice, so that the same command goes on after a kill.

    Args:
        request: the dataset and the workspace with the folds.
        jobs: the folds to train, each after its previous stages.
        progress: receives notices.
    """
    splits = ensure_splits(request.dataset, request.workspace, progress=progress)
    found: list[RunFolder] = []
    changed: set[str] = set()
    for job in jobs:
        refined = changed.intersection(job.plans.chain(job.configuration)[:-1])
        reason = (
            f"{job.run.path}: its previous stage is trained again" if refined else _reason_to_train_again(job, splits)
        )
        if reason is not None:
            if job.run.path.exists():
                progress.notice(f"{reason}; it is trained again from the start")
            found.append(job.run)
            changed.add(job.configuration)
        elif job.run.is_finished:
            kept = Line(f"{job.run.path}: is finished with the same values, and stays.", Action.TRAIN_SAME_ANEW())
            progress.notice(kept)
    return found


def _reason_to_train_again(job: TrainingJob, splits: Sequence[Fold]) -> str | None:
    """Return why a run cannot go on, None if it can."""
    try:
        check_resumable(job, splits)
    except NnplugError as error:  # also for a record that cannot be read
        return without_remedy(error.lines[0])
    changed = changed_cases(job)
    return f"{job.run.path}: {changed_in_words(changed)}" if changed else None


def asked_configurations(request: RunRequest, plans: Plans) -> tuple[str, ...]:
    """Return the configurations that the user named, or all configurations of the plans."""
    return request.plan.configurations or tuple(plans.configurations)


def report_added_folds(request: RunRequest, jobs: Sequence[TrainingJob], progress: Progress) -> None:
    """Report the folds that a cascade trains in addition to those requested."""
    more: dict[str, list[str]] = {}
    for job in jobs:
        named = job.configuration in asked_configurations(request, job.plans)
        if not named or (request.folds and job.fold not in request.folds):
            more.setdefault(job.configuration, []).append(str(job.fold))
    for name, folds in more.items():
        refining = jobs[0].plans.next_stages(name)[0]
        progress.notice(f"{refining} refines {name}: its folds {', '.join(folds)} are trained first")
