"""Groups of cases that must stay on one side of a fold: the scans of a patient, the images of a site."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nnplug.dataset.splits import SEED, Fold
from nnplug.errors import InvalidFile, NnplugError, Problems

COLUMNS = ("case", "group")
_DELIMITERS = ",;\t"
_SCANS_PER_PATIENT = 10

Groups = Mapping[str, str]
"""Case -> its group."""


def read_groups(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Read the groups of the cases from a table with the columns `case` and `group`.

    Args:
        path: a text file with a header; columns are separated by commas, semicolons or tabs, and there may be others.
        names: the training cases. Lines of other cases are left out.

    Raises:
        InvalidFile: the file cannot be read or has no such columns.
        Problems: cases have no group, or two; a line each.
    """
    rows = _rows(path)
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if group := (row["group"] or "").strip():
            found[(row["case"] or "").strip()].add(group)
    wanted = sorted(names)
    lines = [f"{path}: case {name!r} has no group; add a line {name},GROUP" for name in wanted if name not in found]
    lines += [
        f"{path}: case {name!r} is in the groups {', '.join(sorted(found[name]))}; leave it in one"
        for name in wanted
        if len(found.get(name, ())) > 1
    ]
    if lines:
        raise Problems(lines)
    return {name: next(iter(found[name])) for name in wanted}


def _rows(path: Path) -> list[dict[str, str | None]]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets begin their files with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    header = next(iter(text.splitlines()), "")
    reader = csv.DictReader(text.splitlines(), delimiter=max(_DELIMITERS, key=header.count))
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    if not set(COLUMNS) <= set(reader.fieldnames):
        raise InvalidFile(f"{path}: the first line is {header!r}; expected the columns {' and '.join(COLUMNS)}")
    return list(reader)


def group_folds(groups: Groups, folds: int) -> tuple[Fold, ...]:
    """Divide whole groups into folds of nearly as many cases each; every case is validated once.

    Groups are shuffled as nnU-Net shuffles cases (seed 12345); the larger ones are dealt out first, each to the
    fold with the fewest cases.

    Raises:
        NnplugError: there are fewer groups than folds.
    """
    members = _members(groups)
    names = sorted(members)
    if not 2 <= folds <= len(names):
        raise NnplugError(
            f"{len(names)} groups cannot make {folds} folds; ask for at least 2 folds, and groups for each of them"
        )
    shuffled = [names[index] for index in np.random.RandomState(SEED).permutation(len(names))]
    parts: list[list[str]] = [[] for _ in range(folds)]
    for name in sorted(shuffled, key=lambda name: -len(members[name])):
        min(parts, key=len).extend(members[name])
    return tuple(_fold(groups, part) for part in parts)


def leave_one_group_out(groups: Groups) -> tuple[Fold, ...]:
    """A fold for each group, in their order, that is validated on that group alone.

    Raises:
        NnplugError: there is only one group.
    """
    members = _members(groups)
    if len(members) < 2:
        raise NnplugError(f"all {len(groups)} cases are in one group; leaving it out leaves nothing to learn from")
    return tuple(_fold(groups, members[name]) for name in sorted(members))


def crossing(splits: Sequence[Fold], groups: Groups) -> dict[str, tuple[str, str]]:
    """Return the groups that a fold trains on and validates on: group -> two such cases."""
    found: dict[str, tuple[str, str]] = {}
    for fold in splits:
        trained = {groups[name]: name for name in sorted(fold.train, reverse=True) if name in groups}
        for name in fold.val:
            other = trained.get(groups.get(name, ""), name)
            if other != name and name not in fold.train:
                found.setdefault(groups[name], (other, name))
    return found


def suspected_groups(names: Iterable[str]) -> dict[str, str]:
    """Cases whose names look as if some were of one patient, such as patient012_frame01 and patient012_frame12.

    What a name begins with, up to its last number or word, stands for the patient if it holds a number. Where such
    beginnings stand for many cases each (a year, a study) they mean something else, and nothing is suspected.
    """
    words = {name: re.findall(r"[0-9]+|[^\W\d_]+", name) for name in names}
    keys = {name: " ".join(found[:-1]) for name, found in words.items() if re.search("[0-9]", " ".join(found[:-1]))}
    patients = len(set(keys.values()))
    if patients < 2 or len(keys) > patients * _SCANS_PER_PATIENT:
        return {}
    return keys


def _members(groups: Groups) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(groups):
        members[groups[name]].append(name)
    return members


def _fold(groups: Groups, validation: Sequence[str]) -> Fold:
    chosen = set(validation)
    return Fold(train=tuple(sorted(set(groups) - chosen)), val=tuple(sorted(chosen)))
