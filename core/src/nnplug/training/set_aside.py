"""Set earlier trainings aside while their folds are trained again from the start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nnplug.contracts import read_log
from nnplug.runtime.files import remove_folder
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_lock import alone_in


@contextmanager
def set_aside(runs: Sequence[RunFolder]) -> Iterator[None]:
    """Rename the folders of runs while their folds are trained again in the block.

    At its end they are removed. A run is put back if the block raises before its new training has an epoch: some
    faults, such as too few devices, are found only when a training begins.

    Raises:
        NnplugError: another process works on a run, or a folder cannot be renamed or removed; nothing is lost.
    """
    for run in runs:
        _decide(run)  # what a kill left
    try:
        for run in runs:
            if run.path.exists():
                with alone_in(run):
                    run.path.rename(_earlier(run))
        yield
    finally:
        for run in runs:
            _decide(run)


def _decide(run: RunFolder) -> None:
    """Remove a run that is set aside if the new one has an epoch, else put it back."""
    if not _earlier(run).exists():
        return
    with alone_in(run):
        if has_epochs(run):
            remove_folder(_earlier(run))
        else:
            remove_folder(run.path)
            _earlier(run).rename(run.path)


def has_epochs(run: RunFolder) -> bool:
    """Return whether a training has ended an epoch, or is finished."""
    return run.is_finished or run.best_weights.exists() or (run.log.is_file() and bool(read_log(run.log)))


def _earlier(run: RunFolder) -> Path:
    return run.path.with_name(f".earlier-{run.path.name}")
