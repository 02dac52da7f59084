"""The training and validation cases of each fold, drawn as in nnU-Net."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from nnplug.errors import InvalidDescription, InvalidFile, NnplugError
from nnplug.runtime.files import write_text
from nnplug.runtime.json_files import read_json
from nnplug.runtime.records import Record

SEED = 12345
TRAINING_SHARE = 0.8
OWN_SPLITS = ("splits_final.json", "splits.json")
"""The files in the folder of a dataset that define its folds; the first is nnU-Net's, and is preferred."""


class Fold(Record, frozen=True, kw_only=True):
    """The names of the training and validation cases of a fold."""

    train: tuple[str, ...]
    val: tuple[str, ...]

    @property
    def repeated(self) -> tuple[str, ...]:
        """The validation cases that are training cases too: their Dice is that of training data."""
        return tuple(case for case in self.val if case in set(self.train))


def make_splits(names: Iterable[str], folds: int = 5) -> tuple[Fold, ...]:
    """Return folds of similar size, made from the shuffled names; each case is validated once.

    The result equals `sklearn.model_selection.KFold(folds, shuffle=True, random_state=12345)` on the sorted names, as
    in nnU-Net. With fewer cases than folds there is one fold per case. A single case makes one fold, which trains and
    validates on it.
    """
    cases = np.array(sorted(names))
    if len(cases) == 1:
        return (_all(cases),)
    order = np.arange(len(cases))
    np.random.RandomState(SEED).shuffle(order)
    validation = np.array_split(order, min(folds, len(cases)))
    return tuple(_fold(np.delete(cases, chosen), cases[np.sort(chosen)]) for chosen in validation)


def choose_fold(splits: Sequence[Fold], names: Iterable[str], fold: int | str) -> Fold:
    """Return the fold with that number; "all" trains and validates on every case.

    For a number beyond the splits, a random 80 % of the cases are for training, with seed 12345 + number as in nnU-Net.

    Raises:
        NnplugError: `fold` is neither "all" nor a number from 0 on, or there are too few cases to draw from.
    """
    cases = np.array(sorted(names))
    if fold == "all":
        return _all(cases)
    if not isinstance(fold, int) or fold < 0:
        raise NnplugError(f"fold {fold!r}: expected a number from 0, or 'all'")
    if fold < len(splits):
        return splits[fold]
    count = int(len(cases) * TRAINING_SHARE)
    if count == 0:
        raise NnplugError(f"fold {fold}: a single case cannot be divided; take fold 0 or 'all'")
    drawn = np.random.RandomState(SEED + fold).choice(len(cases), count, replace=False)
    return _fold(cases[drawn], np.delete(cases, drawn))


def read_splits(path: Path, names: Iterable[str]) -> tuple[Fold, ...]:
    """Return the folds in a file such as nnU-Net's `splits_final.json`: a list of {"train": [names], "val": [names]}.

    Cases may be left out. A fold may validate on exactly its training cases, as fold "all" does.

    Raises:
        InvalidFile: the file cannot be read; or folds are empty, name cases that the dataset does not have, or have
            one in both parts; a line per fault.
    """
    raw, known = read_json(path), set(names)
    if not isinstance(raw, list) or not raw:
        raise InvalidFile(f'{path}: expected a list of folds, each {{"train": [cases], "val": [cases]}}')
    splits: list[Fold] = []
    lines: list[str] = []
    for number, one in enumerate(raw):
        where = f"{path}: fold {number}"
        try:
            splits.append(Fold.from_data(one, where))
            lines += _faults(splits[-1], known, where)
        except InvalidFile as error:
            lines += error.lines
    if lines:
        raise InvalidDescription(lines)
    return tuple(splits)


def write_splits(path: Path, splits: Sequence[Fold]) -> None:
    """Write the folds atomically, in the format of nnU-Net's `splits_final.json`."""
    write_text(path, json.dumps([fold.data() for fold in splits], indent=2) + "\n")


def _faults(fold: Fold, known: set[str], where: str) -> Iterator[str]:
    """Yield a line for each fault of a fold."""
    for part, cases in (("train", fold.train), ("val", fold.val)):
        if not cases:
            yield f"{where}: {part!r} is empty; name at least one case"
        if unknown := sorted(set(cases) - known):
            yield f"{where}: {part!r} names {unknown[0]!r}, which is no training case of the dataset"
    shared = sorted(set(fold.train) & set(fold.val))
    if shared and set(fold.train) != set(fold.val):
        yield f"{where}: {shared[0]!r} is in both 'train' and 'val'; leave it in one of them"


def _fold(train: np.ndarray, val: np.ndarray) -> Fold:
    return Fold(train=tuple(train.tolist()), val=tuple(val.tolist()))


def _all(cases: np.ndarray) -> Fold:
    return _fold(cases, cases)
