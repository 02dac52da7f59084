"""Write the statistics of all label maps in a folder as one JSON and one CSV file.

Cases that have not changed are not measured again, and cases of other calls stay. So the tables of a folder are whole
after every call, also if several calls run at once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.sidecars import state_files
from nnplug.evaluation.class_statistics import ClassStatistics, class_statistics, voxel_size
from nnplug.evaluation.pairs import read_image_and_label
from nnplug.io.geometry import Geometry
from nnplug.runtime.digests import sha256, state_digest
from nnplug.runtime.executor import Executor
from nnplug.runtime.files import write_text
from nnplug.runtime.progress import Progress
from nnplug.runtime.shared_json import object_or_empty, shared_object

JSON, CSV = "statistics.json", "statistics.csv"
SIZES = {"mm3": "volume_mm3", "mm2": "area_mm2"}
"""The unit of sizes -> the key of a size; pictures have no size but the number of their pixels."""

_COLUMNS = ("case", "class", "voxels", *SIZES.values(), "channel", "mean", "std", "median", "minimum", "maximum")


def write_statistics(
    cases: Sequence[CaseFiles],
    folder: Path,
    description: DatasetDescription,
    *,
    executor: Executor,
    progress: Progress,
) -> None:
    """Measure label maps and write FOLDER/statistics.json and FOLDER/statistics.csv.

    Other cases that are in the tables stay there, unless their label map is gone or has changed.

    Args:
        cases: images, each with the label map to measure as its `label`; the label maps are in `folder`.
        folder: the folder of the label maps and of the tables.
        description: names of channels, and classes or regions.
        executor: measures the cases in parallel.
        progress: receives the progress.

    Raises:
        Problems: some cases cannot be measured, a line each; the others are in the tables.
        NnplugError: a file cannot be written.
    """
    known = cases_in(folder / JSON)
    measure = partial(measured_case, description=description, known=known)
    found: dict[str, Any] = {}
    try:
        with progress.task("statistics", len(cases)) as advance:
            for name, entry in executor.map(measure, cases, stage="statistics", name=attrgetter("name")):
                found[name] = entry
                advance(name)
    finally:
        _merge(folder, found, {case.name for case in cases})


def _merge(folder: Path, found: Mapping[str, Any], measured: Collection[str]) -> None:
    """Write the tables with new entries; others stay if they were not to be measured and are current."""
    with shared_object(folder / JSON) as table:
        others = {name: entry for name, entry in entries(table).items() if name not in measured}
        current = {name: entry for name, entry in others.items() if is_current(folder, entry)}
        table.clear()
        table |= {"schema": 1, "cases": dict(sorted({**current, **found}.items()))}
        write_text(folder / CSV, _csv(table["cases"]))


def measured_case(
    case: CaseFiles, *, description: DatasetDescription, known: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the name of a case and its entry in `statistics.json`.

    Args:
        case: an image, with the label map as its `label`.
        description: names of channels, and classes or regions.
        known: case -> entry of an earlier call, which is returned if nothing has changed.

    Raises:
        InvalidFile: a file cannot be read, or the label map has another grid than the image.
    """
    assert case.label is not None, "the label map to measure"
    state = {
        "label_map": case.label.name,
        "sha256": sha256(case.label),
        "images": state_digest(state_files(case.images, case.readers)),
        "channels": list(description.channel_names),
    }
    before, names = known.get(case.name, {}), list(description.labels.foreground_names)
    if {key: before.get(key) for key in state} == state and list(before.get("classes", {})) == names:
        return case.name, before
    image, label_map = read_image_and_label(case, description.channel_names)
    measured = class_statistics(label_map.array, image.array, description.labels, image.geometry)
    channels = description.channel_names
    classes = {name: _entry(one, channels, image.geometry) for name, one in measured.items()}
    return case.name, {**state, "spacing": list(spacing_of(image.geometry)), "classes": classes}


def is_current(folder: Path, entry: Mapping[str, Any]) -> bool:
    """Return whether the label map of an entry is there and has not changed."""
    path = folder / str(entry.get("label_map"))
    return path.is_file() and sha256(path) == entry.get("sha256")


def spacing_of(geometry: Geometry) -> tuple[float, ...]:
    """Return the distances of voxel centres in mm: (z, y, x), or (y, x) of a 2D image."""
    return geometry.spacing if geometry.dimensions == 3 else geometry.file_spacing[::-1]


def _entry(measured: ClassStatistics, channels: Sequence[str], geometry: Geometry) -> dict[str, Any]:
    unit, _ = voxel_size(geometry)
    size = {SIZES[unit]: measured.size} if unit in SIZES else {}
    found = [asdict(one) for one in measured.intensities]
    intensities = dict(zip(channels, found, strict=True)) if found else dict.fromkeys(channels)
    return {"voxels": measured.voxels, **size, "intensities": intensities}


def cases_in(path: Path) -> Mapping[str, Any]:
    """Return case -> entry of a table that several calls share; nothing if the file is missing or damaged."""
    return entries(object_or_empty(path))


def entries(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return case -> entry of a table; nothing if it is another file."""
    found = table.get("cases", {})
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def _csv(cases: Mapping[str, Any]) -> str:
    """Return the table with a row per case, class and channel."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for name, entry in cases.items() for row in _rows(name, entry))
    return text.getvalue()


def _rows(case: str, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, measured in entry["classes"].items():
        sizes = {key: measured[key] for key in ("voxels", *SIZES.values()) if key in measured}
        for channel, intensities in measured["intensities"].items():
            yield {"case": case, "class": name, **sizes, "channel": channel, **(intensities or {})}
