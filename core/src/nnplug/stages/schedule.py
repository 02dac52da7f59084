"""Which folds a run trains, and in which order: a cascade's stages one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnplug.data.plans import Plans
from nnplug.runtime.progress import Progress
from nnplug.stages.split import ensure_splits
from nnplug.stages.train import TrainingJob

if TYPE_CHECKING:
    from nnplug.stages.pipeline import RunRequest


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


def in_stages(jobs: Sequence[TrainingJob]) -> list[list[TrainingJob]]:
    """The jobs by their place in a chain: each stage needs those before to be trained and validated."""
    stages: dict[int, list[TrainingJob]] = {}
    for job in jobs:
        stages.setdefault(len(job.plans.chain(job.configuration)), []).append(job)
    return [stages[depth] for depth in sorted(stages)]


def is_refined(job: TrainingJob, jobs: Sequence[TrainingJob]) -> bool:
    """Whether one of the jobs gets what the first predicts."""
    return any(other.plans.configuration(other.configuration).previous_stage == job.configuration for other in jobs)
