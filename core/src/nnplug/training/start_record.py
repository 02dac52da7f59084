"""Record the start of a run, with everything that it depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from nnplug.dataset.case_contents import case_contents
from nnplug.dataset.splits import Fold
from nnplug.models.pretrained import describe_pretrained
from nnplug.registry.provenance import Provider
from nnplug.runtime.json_files import write_json
from nnplug.training.job import TrainingJob
from nnplug.training.previous_stage import previous_sources
from nnplug.workspace.run_record import Pretrained, RunRecord


def write_record(
    job: TrainingJob,
    fold: Fold,
    splits: Sequence[Fold],
    *,
    mirror_axes: tuple[int, ...],
    versions: Mapping[str, str],
    unlabelled: tuple[str, ...] | None,
) -> None:
    """Write the files that make the run folder self-contained, `run.json` last: if it exists, all are complete.

    Args:
        job: the fold.
        fold: its cases.
        splits: the cases of all folds.
        mirror_axes: as in `RunRecord`.
        versions: as in `RunRecord`.
        unlabelled: as in `RunRecord`.
    """
    run = job.run
    if run.record.exists():
        return
    job.run_plans.write(run.plans)
    write_json(run.description, job.training_description.raw)
    providers = (*job.plans.providers, Provider.of(job.dataset.reader))
    RunRecord(
        dataset=job.plans.dataset,
        plans=job.plans.name,
        plans_digest=job.run_plans.digest(),
        configuration=job.configuration,
        fold=job.fold,
        seed=job.seed,
        command=job.command,
        providers=providers,
        versions=dict(versions),
        mirror_axes=mirror_axes,
        training=fold.train,
        validation=fold.val,
        pretrained=pretrained_record(job),
        created=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        previous=previous_sources(job, fold, splits),
        prepared=job.store_name,
        unlabelled=unlabelled,
        files=case_contents(case for case in job.dataset.training_cases() if case.name in {*fold.train, *fold.val}),
    ).write(run.record)


def pretrained_record(job: TrainingJob) -> Pretrained | None:
    """Return what `run.json` records of the model whose weights a training starts from; None without one."""
    return None if job.pretrained is None else describe_pretrained(job.pretrained)
