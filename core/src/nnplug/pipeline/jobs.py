"""The folds that a run trains: those that are asked for, after the folds that a cascade needs first."""

from __future__ import annotations

from collections.abc import Sequence

from nnplug.dataset.splits import Fold
from nnplug.errors import NnplugError
from nnplug.pipeline.request import RunRequest
from nnplug.plans.plans import Plans
from nnplug.preparation.make_splits import ensure_splits
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.training.train import check_resumable, discard


def make_jobs(request: RunRequest, plans: Plans, progress: Progress) -> list[TrainingJob]:
    """Every fold that is asked for, after every fold of the configurations that it refines."""
    every = tuple(range(len(ensure_splits(request.dataset, request.workspace, progress=progress))))
    asked = asked_configurations(request, plans)
    names = tuple(dict.fromkeys(stage for name in asked for stage in plans.chain(name)))
    folds = {name: (request.folds or every) if name in asked else () for name in names}
    for name in names:
        if (refined := plans.configuration(name).previous_stage) is not None:
            folds[refined] = tuple(dict.fromkeys((*folds[refined], *every)))
    return [
        TrainingJob(request.workspace, request.dataset, plans, name, fold, request.seed, request.command)
        for name in names
        for fold in folds[name]
    ]


def discard_changed(request: RunRequest, jobs: Sequence[TrainingJob], progress: Progress) -> None:
    """Remove the runs that were begun with other values, cases or previous stages, and those that refine a removed one.

    Args:
        request: names the dataset and its workspace, whose folds the runs must have.
        jobs: what is to be trained, each after those that it refines.
        progress: where to report.

    Raises:
        NnplugError: another process is at a run that is to be removed.
    """
    splits = ensure_splits(request.dataset, request.workspace, progress=progress)
    removed: set[str] = set()
    for job in jobs:
        refined = job.plans.chain(job.configuration)[:-1]
        if removed.intersection(refined) or not _is_resumable(job, splits):
            discard(job.run)
            removed.add(job.configuration)


def _is_resumable(job: TrainingJob, splits: Sequence[Fold]) -> bool:
    try:
        check_resumable(job, splits)
    except NnplugError:  # a record that cannot be read counts too
        return False
    return True


def asked_configurations(request: RunRequest, plans: Plans) -> tuple[str, ...]:
    """The configurations that the user named, or all."""
    return request.plan.configurations or tuple(plans.configurations)


def tell_pulled_in(request: RunRequest, jobs: Sequence[TrainingJob], progress: Progress) -> None:
    """Say which folds nobody asked for: a cascade learns from the predictions of all folds before it."""
    more: dict[str, list[str]] = {}
    for job in jobs:
        named = job.configuration in asked_configurations(request, job.plans)
        if not named or (request.folds and job.fold not in request.folds):
            more.setdefault(job.configuration, []).append(str(job.fold))
    for name, folds in more.items():
        refining = jobs[0].plans.next_stages(name)[0]
        progress.notice(f"{refining} refines {name}: its folds {', '.join(folds)} are trained first")
