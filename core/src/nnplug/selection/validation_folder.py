"""Collect the validation predictions of all folds of a configuration in one folder, and score them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.sidecars import copy_label
from nnplug.errors import Line, Problems
from nnplug.evaluation.evaluate import evaluate_cases
from nnplug.evaluation.summary import Summary, read_summary, write_summary
from nnplug.remedies import Action
from nnplug.runtime.executor import Executor
from nnplug.runtime.files import copy_file, explained
from nnplug.runtime.json_files import write_json
from nnplug.runtime.progress import Progress
from nnplug.selection.candidates import Candidate


def accumulate(
    candidate: Candidate,
    dataset: Dataset,
    target: Path,
    *,
    keep_existing: bool = False,
    executor: Executor,
    progress: Progress,
) -> Summary:
    """Copy the validation predictions of all folds into one folder, as nnU-Net does, and return their summary.

    Args:
        candidate: a configuration with its folds.
        dataset: the dataset with the references.
        target: the folder for label maps, `summary.json`, `plans.json` and `dataset.json`.
        keep_existing: whether label maps that are in the folder stay. If all are there, their `summary.json` is read.
        executor: scores cases in parallel.
        progress: receives the progress.

    Raises:
        Problems: folds are not validated; a line each with the remedy.
    """
    files = [f"{case}{dataset.description.file_ending}" for case in candidate.cases]
    _check_validated(candidate, dataset.description.file_ending)
    due = [file for file in files if not (keep_existing and (target / file).exists())]
    if not due and (kept := _summary_of(target, files)):
        return kept
    with explained(target):
        target.mkdir(parents=True, exist_ok=True)
        for case, file in zip(candidate.cases, files, strict=True):
            if file in due:
                copy_label(candidate.folder_of(case) / file, target / file, dataset.readers)
        copy_file(candidate.runs[0].folder.plans, target / "plans.json")
    return score(candidate.cases, dataset, target, executor=executor, progress=progress)


def _check_validated(candidate: Candidate, ending: str) -> None:
    """Raise `Problems` unless each fold has the predictions of its validation cases."""
    lines = []
    for run in candidate.runs:
        missing = [c for c in run.record.validation if not (candidate.folder(run) / f"{c}{ending}").exists()]
        if missing:
            remedy = Action.VALIDATE_FOLD(configuration=run.record.configuration, fold=run.fold)
            lines.append(Line(f"{candidate.folder(run)}: has no prediction of {missing[0]}", remedy))
    if lines:
        raise Problems(lines)


def _summary_of(folder: Path, files: Sequence[str]) -> Summary | None:
    """Return the `summary.json` of a folder if it has the scores of exactly these files, else None."""
    path = folder / "summary.json"
    if not path.is_file():
        return None
    summary = read_summary(path)
    scored = sorted(Path(case["prediction_file"]).name for case in summary["metric_per_case"])
    return summary if scored == sorted(files) else None


def score(cases: Sequence[str], dataset: Dataset, folder: Path, *, executor: Executor, progress: Progress) -> Summary:
    """Return the summary of a folder of label maps against the training labels.

    `summary.json` and `dataset.json` are written into the folder.
    """
    labels = references(dataset)
    ending = dataset.description.file_ending
    pairs = [(folder / f"{case}{ending}", labels[case]) for case in cases]
    summary = evaluate_cases(pairs, dataset.description, executor=executor, progress=progress, readers=dataset.readers)
    write_json(folder / "dataset.json", dict(dataset.description.raw))
    write_summary(folder / "summary.json", summary)
    return read_summary(folder / "summary.json")


def references(dataset: Dataset) -> Mapping[str, Path]:
    """Return case -> file of the label map, for the training cases."""
    return {case.name: case.label for case in dataset.training_cases() if case.label is not None}
