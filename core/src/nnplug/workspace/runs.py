"""Find and compare finished and unfinished runs on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.labels import Labels
from nnplug.errors import NnplugError
from nnplug.plans.plans import read_plans
from nnplug.registry.provenance import Provider
from nnplug.remedies import Action
from nnplug.runtime.digests import sha256
from nnplug.workspace.layout import RunFolder, run_folders
from nnplug.workspace.run_record import Precision, RunRecord

WeightsKind = Literal["final", "best"]
TOGETHER = "only folds of one training can be used together"


@dataclass(frozen=True)
class TrainedRun:
    """A run folder with its record."""

    folder: RunFolder
    record: RunRecord

    @property
    def fold(self) -> str:
        """The number of the fold as text, or "all"."""
        return str(self.record.fold)

    def has_weights(self, kind: WeightsKind) -> bool:
        """Return whether the weights file exists."""
        return self._file(kind).is_file()

    def _file(self, kind: WeightsKind) -> Path:
        return self.folder.final_weights if kind == "final" else self.folder.best_weights

    def weights(self, kind: WeightsKind) -> Path:
        """Return the path of the weights file.

        Raises:
            NnplugError: the file does not exist yet, because the training is not finished.
        """
        file = self._file(kind)
        if not file.is_file():
            best = kind == "final" and self.folder.best_weights.is_file()
            raise NnplugError(
                f"{self.folder.path}: training is not finished ({file.name} is missing)",
                Action.TRAIN_ON_OR_USE_BEST() if best else Action.TRAIN_ON(),
            )
        return file


def open_run(path: Path) -> TrainedRun:
    """Return the run at `path`.

    Raises:
        NnplugError: there is no run; the message names what is there instead.
    """
    folder = RunFolder(path)
    if not folder.record.is_file():
        raise _no_model(path)
    return TrainedRun(folder, RunRecord.read(folder.record))


def find_runs(path: Path) -> tuple[TrainedRun, ...]:
    """Return the run at `path`, or the runs in its `fold_*` folders, by number.

    Raises:
        NnplugError: as in `open_run`.
    """
    return tuple(open_run(folder) for folder in [run.path for run in run_folders(path)] or [path])


def check_alike(runs: Sequence[TrainedRun]) -> None:
    """Raise unless the predictions of runs can be averaged.

    Raises:
        NnplugError: two runs differ in plans, labels, configuration or mirror axes, or have the same fold.
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
                    f"{run.folder.path}: {what} is {ours!r}, but {theirs!r} in {first.folder.path}; {TOGETHER}"
                )
        if labels_of(run.folder).code != labels_of(first.folder).code:
            raise NnplugError(f"{run.folder.path}: has other labels than {first.folder.path}; {TOGETHER}")


def labels_of(run: RunFolder) -> Labels:
    """Return the labels that a run learned."""
    return DatasetDescription.read(run.description).labels


def default_folds(there: Sequence[str]) -> Sequence[str]:
    """Return the folds of a model if the user names none: the numbered folds, or else "all"."""
    return [fold for fold in there if fold != "all"] or there


def previous_runs(trained: Sequence[TrainedRun]) -> tuple[TrainedRun, ...]:
    """Return the runs of the previous stage of runs, in the folder next to theirs; empty without a previous stage.

    Args:
        trained: folds of one configuration.

    Raises:
        NnplugError: there are no such runs, or one has other weights than those that a run learned from.
    """
    run = trained[0]
    stage = read_plans(run.folder.plans).configuration(run.record.configuration).previous_stage
    if stage is None:
        return ()
    beside = run.folder.path.parent  # its name ends with the configuration's name; a prefix is possible
    folder = beside.with_name(beside.name.removesuffix(run.record.configuration) + stage)
    if not run_folders(folder):
        raise NnplugError(
            f"{run.folder.path}: refines predictions of {stage!r}, whose runs are not in {folder}. Copy them there, "
            "or use a bundle, which holds both."
        )
    runs = {previous.fold: previous for previous in find_runs(folder)}
    sources = {fold: source_of(one.folder) for fold, one in runs.items() if one.has_weights("final")}
    for one in trained:
        for fold, source in (one.record.previous or {}).items():
            if sources.get(fold, source) != source:
                raise NnplugError(
                    f"{one.folder.path}: learned from another {stage} fold {fold} than is there now",
                    Action.TRAIN_ANEW(),
                )
    return tuple(runs[fold] for fold in default_folds(tuple(runs)))


def source_of(run: RunFolder) -> str:
    """Return the digest of a finished run's weights, by which a next stage records them."""
    return sha256(run.final_weights)[:16]


def merged_providers(runs: Sequence[TrainedRun]) -> tuple[Provider, ...]:
    """Return the providers of all runs, each once."""
    return tuple(dict.fromkeys(provider for run in runs for provider in run.record.providers))


def common_precision(runs: Sequence[TrainedRun]) -> Precision | None:
    """Return the precision in which all runs can be predicted: that of their trainings, or float32 if they differ.

    It is None if no run has a record of it.
    """
    known = {run.record.precision for run in runs} - {None}
    return "float32" if len(known) > 1 else next(iter(known), None)


def _no_model(path: Path) -> NnplugError:
    if not path.exists():
        return NnplugError(f"{path}: no such file or folder; give a run, a folder of runs or a bundle")
    if any(path.glob("fold_*/checkpoint_*.pth")):
        return NnplugError(f"{path}: a model of nnU-Net v2", Action.IMPORT_NNUNET())
    return NnplugError(
        f"{path}: no model; give a run (it has run.json), the folder of a configuration's runs, or a bundle"
    )
