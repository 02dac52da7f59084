"""Collect the validation predictions of all folds of a configuration in one folder, and score them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.sidecars import copy_label
from nnplug.dataset.splits import read_splits
from nnplug.errors import Line, NnplugError, Problems, within
from nnplug.evaluation.evaluate import evaluate_cases
from nnplug.evaluation.summary import Summary, read_summary, write_summary
from nnplug.inference.averaging import Mean, label_map, open_output
from nnplug.io.images import read_geometry, write_label
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.digests import sha256
from nnplug.runtime.executor import Executor
from nnplug.runtime.files import copy_file, explained
from nnplug.runtime.json_files import read_json, read_object, write_json
from nnplug.runtime.progress import Progress
from nnplug.selection.request import SelectRequest
from nnplug.workspace.layout import RunFolder, Workspace, run_folders
from nnplug.workspace.runs import TrainedRun, WeightsKind, check_alike, open_run

_SOURCES = "sources.json"


@dataclass(frozen=True)
class Candidate:
    """A configuration with its trained folds.

    Attributes:
        name: the name in tables and folders.
        runs: one run per fold.
        weights: the weights that predicted, "final" or "best".
    """

    name: str
    runs: tuple[TrainedRun, ...]
    weights: WeightsKind

    @property
    def cases(self) -> tuple[str, ...]:
        """The sorted names of the validation cases of all folds."""
        return tuple(sorted(case for run in self.runs for case in run.record.validation))

    def folder_of(self, case: str) -> Path:
        """Return the path of the prediction of a case."""
        run = next(run for run in self.runs if case in run.record.validation)
        return self.folder(run)

    def folder(self, run: TrainedRun) -> Path:
        """Return the validation folder of a run."""
        return run.folder.validation_with(self.weights)


def find_candidates(request: SelectRequest, progress: Progress) -> tuple[Candidate, ...]:
    """Return the configurations with all folds trained, in the order of the request, or else of the plans.

    Args:
        request: the configurations and folds to compare.
        progress: receives a warning for each configuration that is left out because folds are missing.

    Raises:
        Problems: a requested configuration lacks folds, no configuration is complete, or they cannot be compared.
    """
    workspace, plans = request.workspace, request.plans
    names = [case.name for case in request.dataset.training_cases()]
    folds = request.folds or range(len(read_splits(workspace.splits, names)))
    found: list[Candidate] = []
    lines: list[Line] = []
    for plan in plans:
        for name in _trained(workspace, plan, request.configurations):
            runs = [workspace.run(plan, name, fold) for fold in folds]
            if line := _unfinished(runs, name):
                lines.append(line)
                continue
            title = name if len(plans) == 1 else f"{plan}:{name}"
            found.append(Candidate(title, tuple(open_run(run.path) for run in runs), request.weights))
    if lines and (request.configurations or not found):
        raise Problems(lines)
    for line in lines:
        progress.warning(within("left out: ", line))
    if not found:
        raise NnplugError(
            f"{workspace.folder / 'runs'}: holds no runs of plans {', '.join(plans)}", Action.TRAIN_FIRST()
        )
    _check_unseen(found)
    _check_comparable(found)
    return tuple(found)


def _check_unseen(found: Sequence[Candidate]) -> None:
    """Raise if a fold is validated on its training cases: a selection fitted on these is of no use.

    Raises:
        NnplugError: the message names the fold and a case.
    """
    for run in (run for candidate in found for run in candidate.runs):
        if seen := sorted(set(run.record.training) & set(run.record.validation)):
            raise NnplugError(
                f"{run.folder.path}: is validated on its training cases ({seen[0]}), so there is nothing to select by",
                Action.EXPORT_RUNS(),
            )


def _unfinished(runs: Sequence[RunFolder], configuration: str) -> Line | None:
    """Return a line on the first run that is not trained to the end, with the remedy; None if all are."""
    absent = next((run for run in runs if not run.is_finished), None)
    if absent is None:
        return None
    number = absent.path.name.removeprefix("fold_")
    return Line(
        f"{absent.path}: is not trained to the end", Action.TRAIN_FOLD(configuration=configuration, fold=number)
    )


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


@dataclass(frozen=True)
class Average:
    """The label maps of an ensemble, made from the stored probabilities of its members.

    Attributes:
        members: the configurations that are averaged.
        dataset: the dataset of the cases.
        target: the folder of the label maps.
        keep_existing: whether a label map in the folder stays even if its members' predictions have changed since.
    """

    members: tuple[Candidate, ...]
    dataset: Dataset
    target: Path
    keep_existing: bool = False

    def is_done(self, case: str) -> bool:
        """Return whether the label map of a case exists and is up to date, or is to be kept."""
        there = (self.target / f"{case}{self.dataset.description.file_ending}").exists()
        return there and (self.keep_existing or self._noted().get(case) == self._sources(case))

    def write(self, case: str, plugins: Plugins) -> None:
        """Average the members' probabilities of a case, and write the label map."""
        file = f"{case}{self.dataset.description.file_ending}"
        folders = [member.folder_of(case) for member in self.members]
        mean = Mean([open_output(folder, case, self.target, plugins) for folder in folders])
        labels = label_map(mean, self.dataset.description.labels)
        readers = self.dataset.readers
        write_label(self.target / file, labels, read_geometry(folders[0] / file, readers), readers)

    def note(self, cases: Sequence[str]) -> None:
        """Record the digests of the members' predictions that the label maps were made from."""
        write_json(self.target / _SOURCES, {**self._noted(), **{case: self._sources(case) for case in cases}})

    def _noted(self) -> dict[str, Any]:
        path = self.target / _SOURCES
        return read_object(path) if path.is_file() else {}

    def _sources(self, case: str) -> list[str]:
        """Return the hashes of the members' label maps, which change with their probabilities."""
        file = f"{case}{self.dataset.description.file_ending}"
        return [sha256(member.folder_of(case) / file) for member in self.members]


def average(job: Average, cases: Sequence[str], runtime: Runtime) -> None:
    """Write the label maps of an ensemble for some cases, but not of those that are done.

    Raises:
        Problems: stored probabilities are missing or damaged; a line per case.
    """
    with explained(job.target):
        job.target.mkdir(parents=True, exist_ok=True)
    due = [case for case in cases if not job.is_done(case)]
    title = f"ensemble {' + '.join(member.name for member in job.members)}"
    work = partial(_write_mean, job=job, plugins=runtime.plugins)
    with runtime.progress.task(title, len(cases), done=len(cases) - len(due)) as advance:
        for case, _ in zip(due, runtime.executor.map(work, due, stage="ensemble"), strict=True):
            advance(case)
    job.note(due)


def _write_mean(case: str, *, job: Average, plugins: Plugins) -> None:
    job.write(case, plugins)


def _trained(workspace: Workspace, plans: str, configurations: Sequence[str]) -> list[str]:
    folder = workspace.runs(plans)
    there = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if configurations:
        return list(dict.fromkeys(configurations))
    planned = _planned(workspace.plans(plans))
    trained = [name for name in there if run_folders(folder / name)]
    return sorted(trained, key=lambda name: planned.index(name) if name in planned else len(planned))


def _planned(plans: Path) -> list[str]:
    """Return the configurations of a plans file in their order; none if the file is missing."""
    data = read_json(plans) if plans.is_file() else {}
    configurations = data.get("configurations") if isinstance(data, dict) else None
    return list(configurations) if isinstance(configurations, dict) else []


def _check_comparable(candidates: Sequence[Candidate]) -> None:
    """Raise `Problems` if candidates were validated on different cases, or on a case twice."""
    lines = []
    for candidate in candidates:
        check_alike(candidate.runs)
        cases, first = candidate.cases, candidates[0].cases
        if twice := sorted({case for case in cases if cases.count(case) > 1}):
            lines.append(f"{candidate.name}: {twice[0]} was validated by two folds; name each case once in splits.json")
        elif other := sorted(set(cases) ^ set(first)):
            lines.append(
                f"{candidate.name}: was validated on other cases than {candidates[0].name} ({other[0]} among "
                f"{len(other)}); only scores on the same cases can be compared. Train both with the same splits."
            )
    if lines:
        raise Problems(lines)
