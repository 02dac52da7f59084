"""Reporters: write a report of a finished run for people to read. They never change or stop a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nnplug.registry.runtime import Runtime


@dataclass(frozen=True)
class FinishedRun:
    """The files of a finished run, for a reporter.

    Attributes:
        folder: the folder of the dataset in the workspace, where reports are written.
        plans: the name of the plans.
        runs: the folders of the trained folds; some may not be validated.
        selection: the file of the comparison, `selection.json`; None if folds are missing.
        command: the words of the user's command line; empty from Python.
    """

    folder: Path
    plans: str
    runs: tuple[Path, ...]
    selection: Path | None = None
    command: tuple[str, ...] = ()


class Reporter(Protocol):
    """A component that writes a report at the end of `nnplug run`."""

    def report(self, run: FinishedRun, runtime: Runtime) -> Path:
        """Write a file into `run.folder`, and return its path. No other file there is changed.

        If it raises, the user gets a warning, and the run keeps its result.

        Args:
            run: what the run has made.
            runtime: the plugins, whose readers read images, the executor, and the progress.
        """
        ...
