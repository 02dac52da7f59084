"""The folds that a MONAI datalist defines, as training reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnplug.dataset.splits import Fold


@dataclass(frozen=True)
class ListedFolds:
    """Folds with what the user should know about them.

    Attributes:
        folds: the folds; empty if the datalist defines none that can be trained.
        notices: lines for the user.
    """

    folds: tuple[Fold, ...] = ()
    notices: tuple[str, ...] = ()


def folds_by_number(numbers: Mapping[str, int | None]) -> ListedFolds:
    """Return a fold per number: it is validated on the cases with this number and trains on all others.

    A case without a number is in the training part of every fold, as in MONAI.

    Args:
        numbers: the name of each training case -> its fold, or None.
    """
    used = sorted({number for number in numbers.values() if number is not None})
    if not used:
        return ListedFolds()
    if len(used) == 1 and None not in numbers.values():
        return ListedFolds(notices=(f"every case has the fold {used[0]}, so nnplug draws folds",))
    parts = [[name for name, own in numbers.items() if own == number] for number in used]
    folds = tuple(_fold([name for name in numbers if name not in set(part)], part) for part in parts)
    renamed = ", ".join(f"{old} becomes {new}" for new, old in enumerate(used) if old != new)
    return ListedFolds(folds, (f"folds are counted from 0: {renamed}",) if renamed else ())


def fold_of_lists(training: Sequence[str], validation: Sequence[str]) -> ListedFolds:
    """Return the one fold of a datalist with the lists "training" and "validation"."""
    return ListedFolds((_fold(training, validation),))


def _fold(train: Sequence[str], val: Sequence[str]) -> Fold:
    return Fold(train=tuple(sorted(train)), val=tuple(sorted(val)))
