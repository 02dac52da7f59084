"""Which cases each fold learns from and is judged on: made once, then read, so that hand-written splits stay."""

from __future__ import annotations

from nnplug.data.dataset import Dataset
from nnplug.data.splits import Fold, make_splits, read_splits, write_splits
from nnplug.data.workspace import Workspace
from nnplug.runtime.progress import Progress

FOLDS = 5


def ensure_splits(dataset: Dataset, workspace: Workspace, *, progress: Progress) -> tuple[Fold, ...]:
    """The folds of a dataset: those in the workspace, else those that the dataset brings, else nnU-Net's five.

    A `splits_final.json` or `splits.json` in the dataset's folder is copied to the workspace. With fewer cases
    than folds there are as many folds as cases, and a notice.
    """
    names = tuple(case.name for case in dataset.training_cases())
    brought = [dataset.folder / name for name in ("splits_final.json", "splits.json")]
    for path in (workspace.splits, *brought):
        if path.exists():
            folds = read_splits(path, names)
            break
    else:
        folds = make_splits(names, min(FOLDS, len(names)))
        if len(folds) < FOLDS:
            progress.notice(f"{dataset.name} has {len(names)} cases: cross-validation has {len(folds)} folds")
    if not workspace.splits.exists():
        write_splits(workspace.splits, folds)
    return folds
