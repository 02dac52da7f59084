"""The files of a BIDS derivative that all cases share. Each function adds to a text, and keeps what others wrote."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nnplug.contracts import PredictingModel
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, Line, NnplugError
from nnplug.remedies import Action
from nnplug_layouts.bids_names import bids_name, source_root

DESCRIPTION = "dataset_description.json"
_BIDS = "1.11.1"
_SOURCE = "source_name"
_IGNORED = ("/*.*", "/previews", f"!/{DESCRIPTION}", "!/*dseg.tsv", "!/*dseg.json", "!/participants.*", "!/README*")
"""Rules for files that nnplug writes beside the derivative, such as CASE.nii.gz and plans.json."""


def ignored(text: str) -> str:
    """Return .bidsignore with the rules that hide nnplug's own files."""
    lines = text.splitlines()
    return "\n".join([*lines, *(rule for rule in _IGNORED if rule not in lines)]) + "\n"


def described(text: str, folder: Path, case: CaseFiles, model: PredictingModel) -> str:
    """Return dataset_description.json with the model and the datasets that the images of a case are from.

    Raises:
        InvalidFile: the text is no such file.
    """
    raw = _object(text, folder / DESCRIPTION)
    by = {
        "Name": "nnplug",
        "Version": version("nnplug-core"),
        "Description": f"{model.name}, version {model.version}",
    }
    urls = [source_url(source_root(image), folder) for image in case.images]
    sources = [*_list(raw, "SourceDatasets", folder), *({"URL": url} for url in dict.fromkeys(urls))]
    new = {
        "Name": f"Label maps by {model.name}",
        "BIDSVersion": _BIDS,
        "DatasetType": "derivative",
        **raw,
        "GeneratedBy": _once([*_list(raw, "GeneratedBy", folder), by]),
        "SourceDatasets": _once(sources),
        "DatasetLinks": _linked(raw.get("DatasetLinks", {}), urls, folder),
    }
    return text if new == raw else json.dumps(new, indent=2) + "\n"


def source_url(root: Path, folder: Path) -> str:
    """Return the URL of a dataset as a derivative in `folder` names it: relative if the derivative lies in it."""
    place, target = root.resolve(), folder.resolve()
    return Path(os.path.relpath(place, target)).as_posix() if target.is_relative_to(place) else place.as_uri()


def source_uris(text: str, folder: Path, images: Sequence[Path]) -> list[str]:
    """Return the BIDS URIs of images, by the links in dataset_description.json, to which they were added."""
    links: Mapping[str, str] = _object(text, folder / DESCRIPTION).get("DatasetLinks", {})
    names = {url: name for name, url in links.items()}
    roots = [source_root(image) for image in images]
    return [
        f"bids:{names[source_url(root, folder)]}:{image.absolute().relative_to(root).as_posix()}"
        for root, image in zip(roots, images, strict=True)
    ]


def participants(text: str, where: Path, case: CaseFiles) -> str:
    """Return participants.tsv with the subject of a case, and the name of the case if that is no name of BIDS.

    Raises:
        NnplugError: the subject was made from another name.
        InvalidFile: the text is no such table.
    """
    name = bids_name(case)
    columns, rows = _table(text, ("participant_id",), where)
    source = case.name if name.made else "n/a"
    known = next((row for row in rows if row["participant_id"] == name.participant), None)
    if known is not None:
        if known.get(_SOURCE, source) != source:
            raise NnplugError(f"{where}: {name.participant} is also {known[_SOURCE]!r}; rename one of the images")
        return text
    rows.append({"participant_id": name.participant, _SOURCE: source})
    rows.sort(key=lambda row: row["participant_id"])
    return _written(list(dict.fromkeys([*columns, _SOURCE])), rows)


def explained_participants(text: str, where: Path) -> str:
    """Return participants.json, which explains the column of participants.tsv with the names of cases."""
    raw = _object(text, where)
    what = {"Description": "The name of the case that nnplug predicted, if it is no name of BIDS"}
    return text if _SOURCE in raw else json.dumps({**raw, _SOURCE: what}, indent=2) + "\n"


def lookup(text: str, where: Path, description: DatasetDescription) -> str:
    """Return dseg.tsv with index and name of each label value, and colours as the key "segments" gives them.

    Raises:
        NnplugError: a value has another name there.
        InvalidFile: the text is no such table.
    """
    columns, rows = _table(text, ("index", "name"), where)
    known = {row["index"]: row["name"] for row in rows}
    names = {str(value): _name(value, description) for value in (0, *description.labels.foreground_values)}
    for index, name in names.items():
        if known.get(index, name) != name:
            told = f"{where}: names label value {index} {known[index]!r}, but the model {name!r}. Give it another desc."
            raise NnplugError(Line(told, Action.SET_OPTION(assignment="writer.bids.desc=NAME")))
    added = [{"index": index, "name": name} for index, name in names.items() if index not in known]
    colours = {index: colour for index, name in names.items() if (colour := _colour(name, description))}
    for row in added if colours else ():
        row["color"] = colours.get(row["index"], "n/a")
    own = ["index", "name", *(["color"] if colours else [])]
    return _written(list(dict.fromkeys([*columns, *own])), [*rows, *added]) if added else text


def _name(value: int, description: DatasetDescription) -> str:
    """Return the class of a label value, or the regions that have it, joined by "+"."""
    return "+".join(name for name, values in description.labels.values.items() if value in values) or "background"


def _colour(name: str, description: DatasetDescription) -> str | None:
    """Return the colour of a class as "#rrggbb", from `dataset.json` of the model; None if it has none."""
    segments = description.raw.get("segments")
    entry = segments.get(name) if isinstance(segments, Mapping) else None
    rgb = entry.get("color") if isinstance(entry, Mapping) else None
    if not isinstance(rgb, list) or len(rgb) != 3 or not all(type(v) is int and 0 <= v <= 255 for v in rgb):
        return None
    return "#" + "".join(f"{value:02x}" for value in rgb)


def _linked(links: Any, urls: Sequence[str], folder: Path) -> dict[str, str]:
    """Return DatasetLinks with a name for each URL: the name of its folder, with a number if that is taken."""
    if not isinstance(links, dict):
        raise InvalidFile(f"{folder / DESCRIPTION}: 'DatasetLinks' is {links!r}; expected names with URLs")
    found: dict[str, str] = dict(links)
    for url in urls:
        if url in found.values():
            continue
        last = (folder / url).resolve() if "://" not in url else Path(url)
        name = re.sub(r"[^A-Za-z0-9]", "", last.name) or "source"
        number = next(n for n in range(1, len(found) + 2) if f"{name}{n if n > 1 else ''}" not in found)
        found[f"{name}{number if number > 1 else ''}"] = url
    return found


def _object(text: str, where: Path) -> dict[str, Any]:
    try:
        content = json.loads(text or "{}")
    except ValueError as error:
        raise InvalidFile(f"{where}: not valid JSON ({error})", Action.OTHER_OUTPUT()) from error
    if not isinstance(content, dict):
        raise InvalidFile(f"{where}: expected an object {{..}}", Action.OTHER_OUTPUT())
    return content


def _list(raw: Mapping[str, Any], key: str, folder: Path) -> list[Any]:
    found = raw.get(key, [])
    if not isinstance(found, list):
        raise InvalidFile(f"{folder / DESCRIPTION}: {key!r} is {found!r}; expected a list")
    return found


def _once(entries: Sequence[Any]) -> list[Any]:
    return [entry for number, entry in enumerate(entries) if entry not in entries[:number]]


def _table(text: str, needed: Sequence[str], where: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and rows of a table of BIDS; an empty text has the needed columns and no rows."""
    if not text:
        return list(needed), []
    reader = csv.DictReader(io.StringIO(text), delimiter="\t")
    columns = list(reader.fieldnames or ())
    if not set(needed) <= set(columns):
        raise InvalidFile(f"{where}: has the columns {', '.join(columns)}; expected {', '.join(needed)}")
    return columns, list(reader)


def _written(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="n/a", delimiter="\t", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
