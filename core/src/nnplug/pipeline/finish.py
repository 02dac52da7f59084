"""Finish a run: select one model if every configuration is cross-validated, else bundle each configuration."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from nnplug.contracts import FinishedRun
from nnplug.errors import Line, NnplugError
from nnplug.models.bundle import write_bundle
from nnplug.pipeline.jobs import asked_configurations
from nnplug.pipeline.reports import write_reports
from nnplug.pipeline.request import RunRequest, RunResult
from nnplug.preparation.make_splits import ensure_splits
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.progress import Silent
from nnplug.selection.request import RECORD, SELECTED, Selection, SelectRequest
from nnplug.selection.select import select
from nnplug.training.job import TrainingJob
from nnplug.workspace.layout import run_folders
from nnplug.workspace.runs import TrainedRun, check_alike, open_run


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


def bundle_each(request: RunRequest, jobs: Sequence[TrainingJob], runtime: Runtime) -> dict[str, Path]:
    """Bundle each requested configuration, and return configuration -> path of the bundle.

    A bundle has the folds of these jobs, and other numbered folds that are trained with the same plans: folds may be
    trained by one call each. A notice names them, and says when every fold is there, so that a model can be selected.
    """
    targets, folds = {}, []
    for name in asked_configurations(request, jobs[0].plans):
        own = [job for job in jobs if job.configuration == name]
        targets[name] = request.workspace.models / f"{jobs[0].plans.name}_{name}"
        earlier = _earlier_folds(own)
        if earlier:
            listed = ", ".join(run.fold for run in earlier)
            runtime.progress.notice(f"{targets[name]}: also has what was trained before, of fold {listed}")
        write_bundle([*(run.folder for run in earlier), *(job.run for job in own)], targets[name], replace=True)
        folds.append({*(run.fold for run in earlier), *(str(job.fold) for job in own)})
    count = len(ensure_splits(request.dataset, request.workspace, progress=Silent()))
    if count > 1 and all({*map(str, range(count))} <= there for there in folds):
        remedy = Action.SELECT(
            dataset=request.dataset.folder, workspace=request.workspace.root, plans=jobs[0].plans.name
        )
        runtime.progress.notice(Line(f"all {count} folds are trained", remedy))
    return targets


def _earlier_folds(jobs: Sequence[TrainingJob]) -> list[TrainedRun]:
    """Return the finished runs of other numbered folds whose predictions can be averaged with those of these jobs."""
    folds = {str(job.fold) for job in jobs}
    if "all" in folds:
        return []
    first, found = open_run(jobs[0].run.path), []
    for folder in run_folders(jobs[0].run.path.parent):
        with suppress(NnplugError):  # another fold, whose record is damaged or of other plans
            run = open_run(folder.path)
            if folder.is_finished and run.fold not in {*folds, "all"}:
                check_alike([first, run])
                found.append(run)
    return found


def report(request: RunRequest, jobs: Sequence[TrainingJob], result: RunResult, runtime: Runtime) -> RunResult:
    """Return the result with the reports that the installed reporters write about it."""
    workspace = request.workspace
    selection = None if result.selection is None else workspace.crossval / RECORD
    runs = tuple(job.run.path for job in jobs)
    finished = FinishedRun(workspace.folder, jobs[0].plans.name, runs, selection, request.command)
    return replace(result, reports=write_reports(finished, runtime))
