"""The codes of segments: what each class of a model is, in terms of SNOMED CT, and its colour."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.sr.coding import Code

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile

KEY = "segments"
"""The key in `dataset.json` of the mapping from names of classes to codes and colours."""

TISSUE = Code("85756007", "SCT", "Tissue")
_PARTS = {
    "category": "Category",
    "type": "Type",
    "modifier": "TypeModifier",
    "region": "AnatomicRegion",
    "region_modifier": "AnatomicRegionModifier",
}
"""Keys in `dataset.json` -> the columns of TotalSegmentator's table."""

_COLOURS = ((221, 130, 101), (128, 174, 128), (241, 214, 145), (111, 184, 210), (216, 101, 79), (144, 238, 144))
_EXPECTED = (
    'expected {"type": ["10200004", "SCT", "Liver"]} with category, type, modifier, region or region_modifier as '
    "[value, scheme, meaning], and color as [R, G, B]"
)


@dataclass(frozen=True)
class Segment:
    """A class or region as DICOM describes it.

    Attributes:
        number: from 1, in the order of `dataset.json`.
        name: its name.
        values: its label values.
        codes: the key of `dataset.json`, such as "type" -> code. Without "type", it is coded as tissue.
        colour: red, green and blue, 0 to 255.
    """

    number: int
    name: str
    values: tuple[int, ...]
    codes: Mapping[str, Code]
    colour: tuple[int, int, int]

    @property
    def category(self) -> Code:
        """The code of the category."""
        return self.codes.get("category", TISSUE)

    @property
    def type(self) -> Code:
        """The code of the type."""
        return self.codes.get("type", TISSUE)


def segments_of(description: DatasetDescription, table: Path | None) -> tuple[Segment, ...]:
    """Return the segments of the foreground classes or regions of a model.

    Args:
        description: `dataset.json` of the model; its key "segments" has codes by name.
        table: a CSV file with the columns of TotalSegmentator, whose rows win; or None.

    Raises:
        InvalidFile: "segments" or the table has no valid codes.
    """
    given = {**_described(description), **({} if table is None else read_table(table))}
    labels = description.labels
    found = []
    for number, (name, values) in enumerate(zip(labels.foreground_names, labels.foreground, strict=True), 1):
        codes, colour = given.get(name, ({}, None))
        found.append(Segment(number, name, values, codes, colour or _COLOURS[(number - 1) % len(_COLOURS)]))
    return tuple(found)


def notices(segments: tuple[Segment, ...]) -> tuple[str, ...]:
    """Return a notice that names the segments without a code, if there are some."""
    bare = [segment.name for segment in segments if "type" not in segment.codes]
    if not bare:
        return ()
    listed = ", ".join(bare[:5]) + (f" and {len(bare) - 5} more" if len(bare) > 5 else "")
    line = (
        f"{listed}: no code is known, so DICOM segments are coded as tissue; write codes to '{KEY}' of dataset.json, "
        "or set the option 'segments' of the writer to a table"
    )
    return (line,)


_Coded = tuple[dict[str, Code], tuple[int, int, int] | None]


def _described(description: DatasetDescription) -> dict[str, _Coded]:
    raw = description.raw.get(KEY, {})
    if not isinstance(raw, Mapping):
        raise InvalidFile(f"dataset.json of the model: '{KEY}' is {raw!r}; expected names of classes with codes")
    return {str(name): _coded(str(name), entry) for name, entry in raw.items()}


def _coded(name: str, entry: Any) -> _Coded:
    where = f"dataset.json of the model: '{KEY}' has {entry!r} for {name!r}"
    if not isinstance(entry, Mapping) or not set(entry) <= {*_PARTS, "color"}:
        raise InvalidFile(f"{where}; {_EXPECTED}")
    codes = {}
    for key, value in entry.items():
        if key != "color":
            if (
                not isinstance(value, list)
                or len(value) != 3
                or not all(isinstance(word, str) and word for word in value)
            ):
                raise InvalidFile(f"{where}; {_EXPECTED}")
            codes[key] = Code(*value)
    return codes, _colour(entry["color"], where) if "color" in entry else None


def _colour(raw: Any, where: str) -> tuple[int, int, int]:
    if not isinstance(raw, list) or len(raw) != 3 or not all(isinstance(v, int) and 0 <= v <= 255 for v in raw):
        raise InvalidFile(f"{where}; expected a color as three numbers from 0 to 255")
    return raw[0], raw[1], raw[2]


def read_table(path: Path) -> dict[str, _Coded]:
    """Return name -> codes and colour in a CSV file with the columns of TotalSegmentator's table.

    Columns are "Name" or "Structure"; "Category", "Type", "TypeModifier", "AnatomicRegion", "AnatomicRegionModifier",
    each with ".CodingSchemeDesignator", ".CodeValue" and ".CodeMeaning"; and "recommendedDisplayRGBValue".

    Raises:
        InvalidFile: the file cannot be read, or a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidFile(f"{path}: cannot be read as a table of segments ({error})") from error
    name = next((key for key in ("Name", "Structure") if rows and key in rows[0]), None)
    if name is None or "Type.CodeValue" not in rows[0]:
        raise InvalidFile(f"{path}: has no columns Name and Type.CodeValue; give a table like that of TotalSegmentator")
    return {row[name]: _from_row(row) for row in rows}


def _from_row(row: Mapping[str, str]) -> _Coded:
    codes = {}
    for key, column in _PARTS.items():
        words = [row.get(f"{column}.{part}") for part in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")]
        if all(words):
            codes[key] = Code(*words)
    numbers = [int(number) for number in re.findall(r"\d+", row.get("recommendedDisplayRGBValue") or "")]
    colour = (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 and max(numbers) < 256 else None
    return codes, colour
