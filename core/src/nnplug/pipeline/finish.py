"""Finish a run: select one model if every configuration is cross-validated, else bundle each configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nnplug.contracts import FinishedRun
from nnplug.models.bundle import write_bundle
from nnplug.pipeline.jobs import asked_configurations
from nnplug.pipeline.reports import write_reports
from nnplug.pipeline.request import RunRequest, RunResult
from nnplug.preparation.make_splits import ensure_splits
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Silent
from nnplug.selection.request import RECORD, SELECTED, Selection, SelectRequest
from nnplug.selection.select import select
from nnplug.training.job import TrainingJob


def is_selected(request: RunRequest, jobs: Sequence[TrainingJob]) -> bool:
    """Return whether the run ends with selection: it has every fold, and each case is validated once, on others.

    This is also true for a single configuration, because postprocessing is fitted in the selection.
    """
    splits = ensure_splits(request.dataset, request.workspace, progress=Silent())
    validated = [case for fold in splits for case in fold.val]
    trained = {(job.configuration, job.fold) for job in jobs}
    asked = asked_configurations(request, jobs[0].plans)
    whole = all((name, fold) in trained for name in asked for fold in range(len(splits)))
    return whole and len(set(validated)) == len(validated) and not any(fold.repeated for fold in splits)


def select_best(
    request: RunRequest,
    jobs: Sequence[TrainingJob],
    runtime: Runtime,
) -> tuple[dict[str, Path], Selection]:
    """Select among the requested configurations; see `nnplug.selection.select.select`.

    Returns:
        Name -> path of the selected model, and the selection.
    """
    asked = SelectRequest(
        dataset=request.dataset,
        workspace=request.workspace,
        plans=(jobs[0].plans.name,),
        configurations=asked_configurations(request, jobs[0].plans),
        keep_logits=True,
    )
    selection = select(asked, runtime)
    return {SELECTED: Path(selection.bundle)}, selection


def bundle_each(request: RunRequest, jobs: Sequence[TrainingJob]) -> dict[str, Path]:
    """Bundle the trained folds of each requested configuration, and return configuration -> path of the bundle."""
    runs: dict[str, list[TrainingJob]] = {}
    for job in jobs:
        if job.configuration in asked_configurations(request, job.plans):
            runs.setdefault(job.configuration, []).append(job)
    targets = {name: request.workspace.model / f"{jobs[0].plans.name}_{name}" for name in runs}
    for name, target in targets.items():
        write_bundle([job.run for job in runs[name]], target, replace=True)
    return targets


def report(request: RunRequest, jobs: Sequence[TrainingJob], result: RunResult, runtime: Runtime) -> RunResult:
    """Return the result with the reports that the installed reporters write about it."""
    workspace = request.workspace
    selection = None if result.selection is None else workspace.crossval / RECORD
    runs = tuple(job.run.path for job in jobs)
    finished = FinishedRun(workspace.folder, jobs[0].plans.name, runs, selection, request.command)
    return replace(result, reports=write_reports(finished, runtime))
