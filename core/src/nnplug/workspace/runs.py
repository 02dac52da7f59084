"""Finished and unfinished trainings on disk, found and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nnplug.errors import NnplugError
from nnplug.plans.plans import read_plans
from nnplug.registry.provenance import Provider
from nnplug.remedies import Action
from nnplug.workspace.layout import RunFolder, run_folders
from nnplug.workspace.run_record import RunRecord

WeightsKind = Literal["final", "best"]


@dataclass(frozen=True)
class TrainedRun:
    """A run folder with its record."""

    folder: RunFolder
    record: RunRecord

    @property
    def fold(self) -> str:
        """The fold's number as text, or "all"."""
        return str(self.record.fold)

    def weights(self, kind: WeightsKind) -> Path:
        """The weights file.

        Raises:
            NnplugError: it is not there because the training has not come so far.
        """
        file = self.folder.final_weights if kind == "final" else self.folder.best_weights
        if not file.is_file():
            best = kind == "final" and self.folder.best_weights.is_file()
            raise NnplugError(
                f"{self.folder.path}: training is not finished ({file.name} is missing)",
                Action.TRAIN_ON_OR_USE_BEST() if best else Action.TRAIN_ON(),
            )
        return file


def open_run(path: Path) -> TrainedRun:
    """The run at `path`.

    Raises:
        NnplugError: there is none; where something else is, the message says what.
    """
    folder = RunFolder(path)
    if not folder.record.is_file():
        raise _no_model(path)
    return TrainedRun(folder, RunRecord.read(folder.record))


def find_runs(path: Path) -> tuple[TrainedRun, ...]:
    """The run at `path`, or the runs in its `fold_*` folders, by number; raises as `open_run` does."""
    return tuple(open_run(folder) for folder in [run.path for run in run_folders(path)] or [path])


def check_alike(runs: Sequence[TrainedRun]) -> None:
    """Refuse runs that cannot be averaged.

    Raises:
        NnplugError: two runs have other plans, another configuration or other mirror axes, or the same fold.
    """
    folds = [run.fold for run in runs]
    if twice := [run for run in runs if folds.count(run.fold) > 1]:
        raise NnplugError(f"{twice[0].folder.path}: fold {twice[0].fold!r} is given twice; give each fold once")
    first = runs[0]
    for run in runs[1:]:
        for what in ("plans_digest", "configuration", "mirror_axes"):
            ours, theirs = getattr(run.record, what), getattr(first.record, what)
            if ours != theirs:
                raise NnplugError(
                    f"{run.folder.path}: {what} is {ours!r}, but {theirs!r} in {first.folder.path}; "
                    "only folds of one training can be used together"
                )


def default_folds(there: Sequence[str]) -> Sequence[str]:
    """The folds that make a model where nobody chose: the numbered ones, else the one on all cases."""
    return [fold for fold in there if fold != "all"] or there


def previous_runs(run: TrainedRun) -> tuple[TrainedRun, ...]:
    """The runs of the stage that a run refines, which lie beside it; empty where it refines none.

    Raises:
        NnplugError: they are not there.
    """
    stage = read_plans(run.folder.plans).configuration(run.record.configuration).previous_stage
    if stage is None:
        return ()
    beside = run.folder.path.parent  # its name ends in the configuration's, whatever a workspace puts before that
    folder = beside.with_name(beside.name.removesuffix(run.record.configuration) + stage)
    if not run_folders(folder):
        raise NnplugError(
            f"{run.folder.path}: refines predictions of {stage!r}, whose runs are not in {folder}. Copy them there, "
            "or use a bundle, which holds both."
        )
    runs = {previous.fold: previous for previous in find_runs(folder)}
    return tuple(runs[fold] for fold in default_folds(tuple(runs)))


def merged_providers(runs: Sequence[TrainedRun]) -> tuple[Provider, ...]:
    """The providers of all runs, each once."""
    return tuple(dict.fromkeys(provider for run in runs for provider in run.record.providers))


def _no_model(path: Path) -> NnplugError:
    if not path.exists():
        return NnplugError(f"{path}: no such file or folder; give a run, a folder of runs or a bundle")
    if any(path.glob("fold_*/checkpoint_*.pth")):
        return NnplugError(f"{path}: a model of nnU-Net v2", Action.IMPORT_NNUNET())
    return NnplugError(
        f"{path}: no model; give a run (it has run.json), the folder of a configuration's runs, or a bundle"
    )
