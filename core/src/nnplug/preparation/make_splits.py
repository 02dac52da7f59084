"""Make the splits of a dataset once. Later calls read them, so that hand-written ones are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.groups import crossing, group_folds, leave_one_group_out, read_groups, suspected_groups
from nnplug.dataset.splits import OWN_SPLITS, Fold, make_splits, read_splits, write_splits
from nnplug.errors import Line, NnplugError
from nnplug.remedies import Action
from nnplug.runtime.progress import Progress
from nnplug.workspace.layout import Workspace

FOLDS = 5
ALONE = "fold 0 is validated on the case that it learns from, so its Dice is too good; only fold all has a meaning"
"""The words about a dataset of one case."""


@dataclass(frozen=True)
class SplitRequest:
    """The way to divide the cases of a dataset.

    Attributes:
        folds: the number of folds; None for five, or for one per group with `leave_one_group_out`.
        groups: a table with the columns `case` and `group`; no group is in both parts of a fold.
        leave_one_group_out: whether each fold is validated on exactly one group.
        file: hand-written folds, in the format of nnU-Net's `splits_final.json`.
    """

    folds: int | None = None
    groups: Path | None = None
    leave_one_group_out: bool = False
    file: Path | None = None

    def __post_init__(self) -> None:
        """Raise `NnplugError` if the fields contradict each other."""
        if self.file is not None and (self.folds or self.groups or self.leave_one_group_out):
            raise NnplugError(f"{self.file}: holds the folds; give it without a number of folds and without groups")
        if self.leave_one_group_out and self.groups is None:
            raise NnplugError("leaving one group out needs the groups: a table with the columns case and group")
        if self.leave_one_group_out and self.folds:
            raise NnplugError(f"leaving one group out makes a fold per group, not {self.folds}; give one of the two")
        if self.folds is not None and self.folds < 2:
            raise NnplugError(f"{self.folds} folds: cross-validation needs at least 2; fold 'all' trains on every case")


def ensure_splits(dataset: Dataset, workspace: Workspace, *, progress: Progress) -> tuple[Fold, ...]:
    """Return the folds in the workspace, or else those in the dataset's folder, or else nnU-Net's five.

    A `splits_final.json` or `splits.json` in the dataset's folder is copied to the workspace. With fewer cases than
    folds there is one fold per case, and a notice. If names suggest that a patient is in both parts of a fold, there is
    a warning when the folds are made.
    """
    names = _names(dataset)
    if workspace.splits.exists():
        return read_splits(workspace.splits, names)
    brought = _brought(dataset)
    folds = read_splits(brought[0], names) if brought else make_splits(names, FOLDS)
    if len(names) == 1:
        progress.warning(f"{dataset.name} has one case: {ALONE}")
    elif not brought and len(folds) < FOLDS:
        progress.notice(f"{dataset.name} has {len(names)} cases: cross-validation has {len(folds)} folds")
    _warn_of_patients(folds, names, progress)
    write_splits(workspace.splits, folds)
    return folds


def count_folds(dataset: Dataset, workspace: Workspace) -> int:
    """Return the number of folds that `ensure_splits` returns. Nothing is written."""
    names = _names(dataset)
    for path in (workspace.splits, *_brought(dataset)):
        if path.exists():
            return len(read_splits(path, names))
    return len(make_splits(names, FOLDS)) if names else FOLDS


def _brought(dataset: Dataset) -> list[Path]:
    """Return the files of folds in the dataset's folder."""
    return [path for name in OWN_SPLITS if (path := dataset.folder / name).exists()]


def make_folds(dataset: Dataset, request: SplitRequest, *, progress: Progress) -> tuple[Fold, ...]:
    """Return the requested folds. Nothing is written.

    Raises:
        NnplugError: there are too few cases or groups, or a file does not match the dataset.
    """
    names = _names(dataset)
    if request.groups is not None:
        groups = read_groups(request.groups, names)
        return (
            leave_one_group_out(groups) if request.leave_one_group_out else group_folds(groups, request.folds or FOLDS)
        )
    if request.file is not None:
        folds = read_splits(request.file, names)
    else:
        if (request.folds or 0) > len(names):
            raise NnplugError(f"{len(names)} cases cannot make {request.folds} folds; ask for at most {len(names)}")
        folds = make_splits(names, request.folds or FOLDS)
    _warn_of_patients(folds, names, progress)
    return folds


def store_folds(folds: Sequence[Fold], dataset: Dataset, workspace: Workspace, *, replace: bool = False) -> None:
    """Write the folds for all later trainings.

    Raises:
        NnplugError: the workspace has other folds, and `replace` is not set.
    """
    path = workspace.splits
    if path.exists() and not replace and read_splits(path, _names(dataset)) != tuple(folds):
        raise NnplugError(f"{path}: holds other folds", Action.REPLACE_FOLDS())
    write_splits(path, folds)


def _names(dataset: Dataset) -> tuple[str, ...]:
    return tuple(case.name for case in dataset.training_cases())


def _warn_of_patients(folds: Sequence[Fold], names: Sequence[str], progress: Progress) -> None:
    if found := crossing(folds, suspected_groups(names)):
        a, b = next(iter(found.values()))
        others = f", and so for {len(found) - 1} more" if len(found) > 1 else ""
        text = (
            f"cases {a!r} and {b!r} look like one patient, but a fold trains on one and is validated on the other"
            f"{others}: scores would be too good"
        )
        progress.warning(Line(text, Action.SPLIT_BY_GROUPS()))
