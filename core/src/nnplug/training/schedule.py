"""The order of trainings: the stages of a cascade one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from nnplug.training.job import TrainingJob


def in_stages(jobs: Sequence[TrainingJob]) -> list[list[TrainingJob]]:
    """The jobs by their place in a chain: each stage needs those before to be trained and validated."""
    stages: dict[int, list[TrainingJob]] = {}
    for job in jobs:
        stages.setdefault(len(job.plans.chain(job.configuration)), []).append(job)
    return [stages[depth] for depth in sorted(stages)]


def is_refined(job: TrainingJob, jobs: Sequence[TrainingJob]) -> bool:
    """Return whether one of the jobs takes the predictions of the first as input."""
    return any(other.plans.configuration(other.configuration).previous_stage == job.configuration for other in jobs)
