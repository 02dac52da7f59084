"""The check that a killed training resumes with equal results, and a reader of its log."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError
from safetensors.torch import load_file

from nnplug.contracts import LogLine, read_log
from nnplug.errors import InvalidFile
from nnplug.testing.check import ContractBroken, NotChecked, Subject, require
from nnplug.testing.kill_points import Contents, FolderWatch, restore, spread
from nnplug.testing.trainings import Setting, Weights, are_equal, make_task, make_trainer
from nnplug.workspace.layout import RunFolder


def log_of(run: RunFolder) -> list[LogLine]:
    """Return the lines of a run's log, with the reader that curves and reports use.

    Raises:
        ContractBroken: there is no log, or it has no complete line.
        InvalidFile: a line is not a `nnplug.contracts.LogLine`.
    """
    require(run.log.is_file(), "train left no log.jsonl")
    lines = read_log(run.log)
    require(lines, "log.jsonl is empty; it has a line per epoch, each with its line end")
    return lines


def goes_on_after_any_kill(subject: Subject) -> None:
    """Raise unless a training that resumes from any state of the run's folder gives equal results."""
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), Setting(), subject)
        watch = FolderWatch(task.run.path)
        with watch.watching():
            make_trainer(subject).train(task)
        expected = _Results(task.run)
    states = watch.states
    for contents in spread(states):
        _go_on(subject, contents, expected)
    if not any(task.run.state.name in contents for contents in states):
        raise NotChecked("a short training leaves no state.pt on its way; from all that it leaves, it starts anew")


class _Results:
    """The parts of a finished run that a kill must not change."""

    def __init__(self, run: RunFolder) -> None:
        self.final: Weights = load_file(run.final_weights)
        self.best: Weights = load_file(run.best_weights)
        self.epochs = epochs_of(run)


def epochs_of(run: RunFolder) -> list[int] | None:
    """Return the epochs of the log, or None if it cannot be read, which another check reports."""
    try:
        return [line.epoch for line in read_log(run.log)]
    except InvalidFile:
        return None


def _go_on(subject: Subject, contents: Contents, expected: _Results) -> None:
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), Setting(), subject)
        restore(contents, task.run.path)
        where = f"killed with {', '.join(sorted(contents)) or 'nothing'} in the run's folder"
        if task.run.is_finished:
            require(_is_final(task.run, expected), f"{where}, a training counts as finished with other weights")
            return
        try:
            make_trainer(subject).train(task)
        except Exception as error:
            raise ContractBroken(f"{where}, a training does not go on: {type(error).__name__}: {error}") from error
        found = _Results(task.run)
    for what, a, b in (("final", found.final, expected.final), ("best", found.best, expected.best)):
        require(are_equal(a, b), f"{where}, a training went on to other {what} weights")
    epochs = "cannot be read" if found.epochs is None else f"has the epochs {found.epochs}"
    require(found.epochs == expected.epochs, f"{where}, a training goes on to a log that {epochs}")


def _is_final(run: RunFolder, expected: _Results) -> bool:
    try:
        return are_equal(load_file(run.final_weights), expected.final)
    except (SafetensorError, OSError):
        return False
