"""The state of a workspace: what is planned, preprocessed, trained and validated, and where trainings run.

Everything is read from files, so that a login node of a cluster shows what its nodes do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from statistics import median
from typing import Literal

import psutil

from nnplug.contracts import LogLine, read_log
from nnplug.errors import InvalidFile, NnplugError
from nnplug.evaluation.summary import read_summary
from nnplug.plans.plans import Plans, read_plans
from nnplug.runtime.json_files import read_json
from nnplug.runtime.lock import Holder, lock_use
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.layout import RunFolder, Workspace, run_folders
from nnplug.workspace.run_record import RunRecord

State = Literal["planned", "running", "stopped", "trained", "validated"]
PACE = 10
"""The last epochs whose median duration is the pace of a training."""
SILENT = 1800.0
"""Seconds without a new file after which a training is noticed; three epochs, where these take longer."""


@dataclass(frozen=True)
class FoldStatus:
    """The training of one fold.

    Attributes:
        fold: a number as text, or "all".
        state: "running" while a process trains or validates it, "stopped" if it was begun and no process works on it.
            On a file system without locks, a process of another host counts as running until it is silent.
        epochs_done: number of finished epochs.
        epochs: number of epochs of the whole training; None before it begins, and in older runs.
        seconds_left: the time of the remaining epochs at the pace of the last ones; None if it is not known.
        smoothed_dice: of the last epoch, on patches of the validation cases; None if the trainer computes none.
        scores: figure -> mean over the foreground classes, of the validation; empty before it.
        holder: the process that trains or validates the fold; None if no process does, or it left no note.
        killed: the process that was killed while it worked on the run, or whose host stopped; None if none was.
        failure: the error that stopped its last training or validation; None without one, and once it is validated.
        idle_seconds: the time since the last file of the fold was written, while it is running or stopped.
        is_silent: whether it is running and has written no file for so long that the process may hang, or its host may
            be gone.
    """

    fold: str
    state: State
    epochs_done: int = 0
    epochs: int | None = None
    seconds_left: float | None = None
    smoothed_dice: float | None = None
    scores: tuple[tuple[str, float], ...] = ()
    holder: Holder | None = None
    killed: Holder | None = None
    failure: str | None = None
    idle_seconds: float | None = None
    is_silent: bool = False


@dataclass(frozen=True)
class ConfigurationStatus:
    """A configuration of plans: how many cases are preprocessed, and its folds."""

    plans: str
    name: str
    preprocessed: int
    folds: tuple[FoldStatus, ...]


@dataclass(frozen=True)
class DatasetStatus:
    """The folder of one dataset in a workspace.

    Attributes:
        name: the dataset's name.
        cases: number of cases in the folds; None before the folds are chosen.
        has_fingerprint: whether the dataset is measured.
        configurations: those of all plans.
        models: bundles that `nnplug run` and `nnplug select` made.
        faults: a line for each file that cannot be read.
    """

    name: str
    cases: int | None
    has_fingerprint: bool
    configurations: tuple[ConfigurationStatus, ...]
    models: tuple[Path, ...]
    faults: tuple[str, ...]


def workspace_status(root: Path) -> tuple[DatasetStatus, ...]:
    """Return the state of every dataset in a workspace, or of one whose folder is given.

    Raises:
        NnplugError: the folder is missing or has no results of nnplug.
    """
    if _has_results(root):
        return (_dataset(Workspace(root.parent, root.name)),)
    found = sorted(path for path in root.iterdir() if _has_results(path)) if root.is_dir() else []
    if not found:
        there = "has no results of nnplug" if root.is_dir() else "no such folder"
        raise NnplugError(f"{root}: {there}; give the folder that -w named, or ./nnplug-work where you ran nnplug")
    return tuple(_dataset(Workspace(root, path.name)) for path in found)


def _has_results(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("fingerprint.json", "sources.json", "plans", "runs"))


def _dataset(workspace: Workspace) -> DatasetStatus:
    faults: list[str] = []
    folds, cases = _folds(workspace, faults)
    return DatasetStatus(
        name=workspace.dataset,
        cases=cases,
        has_fingerprint=workspace.fingerprint.is_file(),
        configurations=tuple(_configurations(workspace, folds, faults)),
        models=tuple(sorted(path for path in workspace.models.glob("[!.]*") if path.is_dir() or path.suffix == ".zip")),
        faults=tuple(faults),
    )


def _folds(workspace: Workspace, faults: list[str]) -> tuple[tuple[str, ...], int | None]:
    """Return the numbers of the folds and the number of their cases; none and None before they are chosen."""
    if not workspace.splits.is_file():
        return (), None
    try:
        splits = read_json(workspace.splits)
        names = {case for fold in splits for part in ("train", "val") for case in fold[part]}
    except InvalidFile as error:
        faults.append(str(error))
    except (TypeError, KeyError):
        faults.append(f"{workspace.splits}: no list of folds")
    else:
        return tuple(str(number) for number in range(len(splits))), len(names)
    return (), None


def _configurations(workspace: Workspace, folds: Sequence[str], faults: list[str]) -> Iterator[ConfigurationStatus]:
    for file in sorted(workspace.plans("any").parent.glob("[!.]*.json")):
        try:
            plans = read_plans(file)
        except NnplugError as error:
            faults.append(str(error))
            continue
        for name in plans.configurations:
            yield _configuration(workspace, plans, name, folds, faults)


def _configuration(
    workspace: Workspace, plans: Plans, name: str, folds: Sequence[str], faults: list[str]
) -> ConfigurationStatus:
    begun = {run.path.name.removeprefix("fold_"): run for run in run_folders(workspace.runs(plans.name) / name)}
    found = {}
    for fold in dict.fromkeys((*folds, *begun)):
        try:
            found[fold] = _fold(fold, begun[fold]) if fold in begun else FoldStatus(fold, "planned")
        except NnplugError as error:
            faults.append(str(error))
            found[fold] = FoldStatus(fold, "stopped")
    store = CaseStore(workspace.preprocessed(plans.name, plans.store_name(name)))
    return ConfigurationStatus(plans.name, name, len(store), tuple(found.values()))


def _fold(fold: str, run: RunFolder) -> FoldStatus:
    lines, use, scores = read_log(run.log), lock_use(run.lock), _scores(run)
    epochs, idle = RunRecord.read(run.record).epochs, _idle_seconds(run)
    is_held = use.is_held or (not use.is_known and use.holder is not None and _is_alive(use.holder, idle, lines))
    state = _state(run, is_held=is_held, is_validated=bool(scores))
    last = use.holder if state in ("stopped", "trained") else None
    return FoldStatus(
        fold=fold,
        state=state,
        epochs_done=len(lines),
        epochs=epochs,
        seconds_left=None if run.is_finished else _seconds_left(lines, epochs),
        smoothed_dice=lines[-1].smoothed_dice if lines else None,
        scores=scores,
        holder=use.holder if is_held else None,
        killed=last if last is not None and last.failure is None and state == "stopped" else None,
        failure=None if last is None else last.failure,
        idle_seconds=idle if state in ("running", "stopped") else None,
        is_silent=state == "running" and idle > _patience(lines),
    )


def _idle_seconds(run: RunFolder) -> float:
    """Return the seconds since a file of the run was written."""
    written = []
    for path in run.path.iterdir():
        with suppress(FileNotFoundError):  # a temporary file, which a running training has renamed meanwhile
            written.append(path.stat().st_mtime)
    return max(0.0, time.time() - max(written, default=0.0))


def _patience(lines: Sequence[LogLine]) -> float:
    """Return the seconds without a new file after which a training is silent."""
    return max(SILENT, 3 * _pace(lines)) if lines else SILENT


def _is_alive(holder: Holder, idle: float, lines: Sequence[LogLine]) -> bool:
    """Return whether a noted process still works, where the file system has no locks."""
    if holder.failure is not None:
        return False
    if holder.host == gethostname():
        return bool(psutil.pid_exists(holder.process))
    return idle <= _patience(lines)


def _state(run: RunFolder, *, is_held: bool, is_validated: bool) -> State:
    if is_held:
        return "running"
    if not run.is_finished:
        return "stopped"
    return "validated" if is_validated else "trained"


def _scores(run: RunFolder) -> tuple[tuple[str, float], ...]:
    file = run.validation / "summary.json"
    return tuple(read_summary(file)["foreground_mean"].items()) if file.is_file() else ()


def _seconds_left(lines: Sequence[LogLine], epochs: int | None) -> float | None:
    if epochs is None or not lines:
        return None
    return max(0, epochs - len(lines)) * _pace(lines)


def _pace(lines: Sequence[LogLine]) -> float:
    """Return the median seconds of the last epochs."""
    return median(line.seconds for line in lines[-PACE:])
