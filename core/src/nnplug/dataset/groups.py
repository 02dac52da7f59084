"""Groups of cases that must not be in both parts of a fold: the scans of a patient, the images of a site."""

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
    """Return case -> group, read from a table with the columns `case` and `group`.

    Args:
        path: a text file with a header. Columns are separated by commas, semicolons or tabs; other columns are ignored.
        names: the training cases. Lines of other cases are left out.

    Raises:
        InvalidFile: the file cannot be read or lacks one of these columns.
        Problems: cases have no group, or several; a line each.
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
        text = path.read_text(encoding="utf-8-sig")  # spreadsheet programs write a byte order mark first
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    header = next(iter(text.splitlines()), "")
    reader = csv.DictReader(text.splitlines(), delimiter=max(_DELIMITERS, key=header.count))
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    if not set(COLUMNS) <= set(reader.fieldnames):
        raise InvalidFile(f"{path}: the first line is {header!r}; expected the columns {' and '.join(COLUMNS)}")
    return list(reader)


def group_folds(groups: Groups, folds: int) -> tuple[Fold, ...]:
    """Return folds of similar size made of whole groups; each case is validated once.

    Groups are shuffled as nnU-Net shuffles cases (seed 12345). Then, from the largest group to the smallest, each goes
    to the fold with the fewest cases.

    Raises:
        NnplugError: there are fewer groups than folds, or fewer than 2 folds.
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
    """Return one fold per group, in the order of the groups; each is validated on its group only.

    Raises:
        NnplugError: there is only one group.
    """
    members = _members(groups)
    if len(members) < 2:
        raise NnplugError(f"all {len(groups)} cases are in one group; leaving it out leaves nothing to learn from")
    return tuple(_fold(groups, members[name]) for name in sorted(members))


def crossing(splits: Sequence[Fold], groups: Groups) -> dict[str, tuple[str, str]]:
    """Return the groups that are in both parts of a fold: group -> one of its training and of its validation cases."""
    found: dict[str, tuple[str, str]] = {}
    for fold in splits:
        trained = {groups[name]: name for name in sorted(fold.train, reverse=True) if name in groups}
        for name in fold.val:
            other = trained.get(groups.get(name, ""), name)
            if other != name and name not in fold.train:
                found.setdefault(groups[name], (other, name))
    return found


def suspected_groups(names: Iterable[str]) -> dict[str, str]:
    """Return case -> suspected patient, for names such as patient012_frame01 and patient012_frame12.

    The patient is the name without its last number or word, if the rest has a number. If there is only one such
    patient, or more than 10 cases per patient (the number may be a year or a study), the result is empty.
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
