"""Choose the folds of cross-validation."""

from __future__ import annotations

from pathlib import Path

from nnplug.dataset.splits import Fold
from nnplug.preparation.make_splits import SplitRequest, ensure_splits, make_folds, store_folds
from nnplug.runtime.progress import Progress
from nnplug.steps.choices import RuntimeOptions
from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
from nnplug.steps.given import optional_path
from nnplug.steps.session import ProgressArgument, open_place, session


def split(
    dataset: str | Path,
    *,
    workspace: str | Path | None = None,
    folds: int | None = None,
    groups: str | Path | None = None,
    leave_one_group_out: bool = False,
    file: str | Path | None = None,
    replace: bool = False,
    progress: ProgressArgument = None,
) -> tuple[Fold, ...]:
    """Divide the cases of a dataset into folds, which every training reads; this is `nnplug split`.

    Without choices it returns the current folds; by default they are nnU-Net's five.

    Args:
        dataset: a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
        workspace: the folder of all results; None for NNPLUG_WORKSPACE, else ./nnplug-work.
        folds: the number of folds; None for five.
        groups: a CSV file with the columns case and group: patients, sites. No group is on both sides of a fold.
        leave_one_group_out: whether each fold is validated on one group alone.
        file: hand-written folds, as in nnU-Net's splits_final.json.
        replace: whether to replace folds that were chosen before.
        progress: as in `nnplug.run`.

    Raises:
        NnplugError: the choices contradict each other, or other folds were chosen before and `replace` is false.
        InvalidFile: a file is missing or has faults.
    """
    given = SplitRequest(folds, optional_path(groups), leave_one_group_out, optional_path(file))
    with session(RuntimeOptions(), progress, None) as runtime:
        return choose_folds(open_place(dataset, workspace, runtime), given, runtime.progress, replace=replace)


def choose_folds(
    place: DatasetInWorkspace, request: SplitRequest, progress: Progress, *, replace: bool
) -> tuple[Fold, ...]:
    """Return the folds that a request asks for and store them; without choices return the current ones.

    Raises:
        NnplugError, InvalidFile: as in `split`.
    """
    if request == SplitRequest():
        return tuple(ensure_splits(place.dataset, place.workspace, progress=progress))
    chosen = make_folds(place.dataset, request, progress=progress)
    store_folds(chosen, place.dataset, place.workspace, replace=replace)
    return tuple(chosen)
