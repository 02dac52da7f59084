"""Check folds written by hand, and the number of cases per fold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.splits import OWN_SPLITS, Fold, make_splits, read_splits
from nnplug.errors import NnplugError
from nnplug.preparation.make_splits import ALONE


def read_own_splits(dataset: Dataset, names: Sequence[str]) -> tuple[tuple[Fold, ...], list[str]]:
    """Return the folds in the folder of a dataset, or those that are made without a file; and a line per wrong file."""
    problems: list[str] = []
    found: list[tuple[Fold, ...]] = []
    for path in (dataset.folder / name for name in OWN_SPLITS):
        if path.exists():
            try:
                found.append(read_splits(path, names))
            except NnplugError as error:
                problems += error.lines
    return (found[0] if found else make_splits(names)), problems


def split_warnings(
    dataset: Dataset, values: Mapping[str, Sequence[int] | None], splits: Sequence[Fold]
) -> Iterable[str]:
    """Yield warnings of a single case, of folds that are validated on training cases, and of classes that folds lack.

    Args:
        dataset: the dataset.
        values: case -> the label values in its label map; None if they are not known, so that it may have any.
        splits: the folds.
    """
    if len(values) == 1:
        yield f"{dataset.name} has one case: {ALONE}"
        return
    for number, fold in enumerate(splits):
        if fold.repeated:
            yield f"fold {number} is validated on training cases ({fold.repeated[0]}); their Dice is too good"
    for name, own in dataset.description.labels.values.items():
        having = {case for case, found in values.items() if found is not None and set(own).intersection(found)}
        if not having or own == (0,):
            continue
        possible = having | {case for case, found in values.items() if found is None}
        for what, parts, then in (
            ("validation", [fold.val for fold in splits], "its Dice there is undefined"),
            ("training", [fold.train for fold in splits], "a network cannot learn it there"),
        ):
            if lacking := [str(number) for number, part in enumerate(parts) if not possible.intersection(part)]:
                yield (
                    f"label {name!r} is in no {what} case of fold {', '.join(lacking)} (it is in {len(having)} of "
                    f"{len(values)} cases); {then}"
                )


def patients_as_channels(dataset: Dataset, cases: Sequence[CaseFiles]) -> list[str]:
    """Return a line per case whose files are several patients, by their label maps, and not channels of one case."""
    ending = dataset.description.file_ending
    lines = []
    for case in cases:
        if case.label is None or case.label.exists() or dataset.description.files is not None:
            continue
        names = [image.name[: -len(ending)] for image in case.images]
        alone = [name for name in names if (dataset.folder / "labelsTr" / f"{name}{ending}").exists()]
        if alone:
            meant = [re.sub(r"_(\d{4})$", lambda number: f"{int(number[1])}_0000", name) for name in alone]
            lines.append(
                f"{dataset.folder / 'imagesTr'}: {_joined(alone)} look like patients, but are taken for channels of "
                f"{case.name!r}; rename the images to {_joined([f'{name}{ending}' for name in meant])} and the label "
                f"maps to {_joined([f'{name[:-5]}{ending}' for name in meant])}"
            )
    return lines


def _joined(names: Sequence[str], most: int = 3) -> str:
    return " and ".join(names) if len(names) <= most else f"{', '.join(names[:most])} .."
