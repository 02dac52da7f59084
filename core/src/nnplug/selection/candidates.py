"""The configurations that a selection compares: their trained folds, which must be validated on the same cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnplug.dataset.splits import read_splits
from nnplug.errors import Line, NnplugError, Problems, within
from nnplug.remedies import Action
from nnplug.runtime.json_files import read_json
from nnplug.runtime.progress import Progress
from nnplug.selection.request import SelectRequest
from nnplug.workspace.layout import RunFolder, Workspace, run_folders
from nnplug.workspace.runs import TrainedRun, WeightsKind, check_alike, open_run


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
