"""The order of trainings: the stages of a cascade one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from nnplug.training.job import TrainingJob


def in_stages(jobs: Sequence[TrainingJob]) -> list[list[TrainingJob]]:
    """Return the jobs by their stage in a cascade. Each stage needs the stages before to be trained and validated."""
    stages: dict[int, list[TrainingJob]] = {}
    for job in jobs:
        stages.setdefault(len(job.plans.chain(job.configuration)), []).append(job)
    return [stages[depth] for depth in sorted(stages)]


def is_refined(job: TrainingJob, jobs: Sequence[TrainingJob]) -> bool:
    """Return whether the predictions of `job` are an input of one of `jobs`."""
    return any(other.plans.configuration(other.configuration).previous_stage == job.configuration for other in jobs)
