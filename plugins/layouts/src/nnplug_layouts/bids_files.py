"""File names of BIDS: entities such as sub-01 and ses-1, and a suffix such as T1w."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nnplug.dataset.file_names import file_ending, stem
from nnplug.errors import InvalidFile

DERIVED = frozenset({"desc", "label", "space", "res", "den", "seg", "atlas"})
"""Entities that describe a derivative, and that its image does not have."""


@dataclass(frozen=True)
class BidsFile:
    """An image of a BIDS dataset.

    Attributes:
        path: the file.
        entities: key -> value, in the order of the name.
        suffix: the last word of the name, such as "T1w".
    """

    path: Path
    entities: Mapping[str, str]
    suffix: str

    @property
    def session(self) -> tuple[str, str]:
        """The subject and the session; the latter is empty if there are none."""
        return self.entities["sub"], self.entities.get("ses", "")

    @property
    def own(self) -> dict[str, str]:
        """The entities without those of derivatives."""
        return {key: value for key, value in self.entities.items() if key not in DERIVED}

    @property
    def case(self) -> str:
        """The name of its case, such as "sub-01_ses-1"."""
        return "_".join(f"{key}-{value}" for key, value in self.own.items())


def bids_files(folder: Path) -> list[BidsFile]:
    """Return the images in the folders sub-* of a dataset or a derivative, sorted by path."""
    found = (_parsed(path) for path in sorted(folder.glob("sub-*/**/sub-*")) if path.is_file() and file_ending(path))
    return [file for file in found if file is not None]


def _parsed(path: Path) -> BidsFile | None:
    *words, suffix = stem(path).split("_")
    entities = [re.fullmatch(r"([a-z]+)-([A-Za-z0-9]+)", word) for word in words]
    known = {match[1]: match[2] for match in entities if match}
    return BidsFile(path, known, suffix) if len(known) == len(words) and "sub" in known and suffix.isalnum() else None


def fitting_image(label: BidsFile, images: Iterable[BidsFile], suffix: str) -> list[BidsFile]:
    """Return the images of a suffix that a label map may belong to; one if it is clear.

    They are of its session and have no entity of another value. Of several, the one with the same entities is it.
    """
    fitting = [
        one
        for one in images
        if one.suffix == suffix
        and one.session == label.session
        and all(label.own.get(key, value) == value for key, value in one.entities.items())
    ]
    same = [one for one in fitting if dict(one.entities) == label.own]
    return same or fitting


def read_names(path: Path) -> dict[str, int]:
    """Return name -> label value of a table dseg.tsv, without value 0.

    Raises:
        InvalidFile: the table has no columns "index" and "name", or an index is no number.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    try:
        names = {row["name"]: int(row["index"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidFile(f"{path}: expected the columns index, a number, and name; found {error}") from error
    return {name: value for name, value in names.items() if value != 0}
