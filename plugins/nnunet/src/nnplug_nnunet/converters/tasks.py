"""The `dataset.json` of the Medical Segmentation Decathlon and of nnU-Net v1: "modality", labels by value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnplug.errors import InvalidFile
from nnplug.runtime.json_files import read_json

KEPT = ("name", "description", "reference", "licence", "license", "release")
"""The keys that state the source of the data; datasets and models keep them."""


def read_task(source: Path) -> dict[str, Any]:
    """Read `dataset.json` of a task folder.

    Raises:
        InvalidFile: the file is missing, or has no "modality" or "labels" by value.
    """
    path = source / "dataset.json"
    raw = read_json(path)
    for key, example in (("modality", '{"0": "CT"}'), ("labels", '{"0": "background", "1": "liver"}')):
        if not isinstance(raw, dict) or not _is_numbered(raw.get(key)):
            found = raw.get(key) if isinstance(raw, dict) else raw
            raise InvalidFile(f"{path}: {key!r} is {found!r}; expected names by number as in {example}")
    return dict(raw)


def description(raw: Mapping[str, Any], file_ending: str) -> dict[str, Any]:
    """Return nnU-Net v2's `dataset.json` of a task: channels by number, label values by name."""
    return {
        **{key: raw[key] for key in KEPT if key in raw},
        "channel_names": {str(number): str(name) for number, name in _sorted(raw["modality"])},
        "labels": _labels(raw["labels"]),
        "file_ending": file_ending,
    }


def _labels(raw: Mapping[str, Any]) -> dict[str, int]:
    labels: dict[str, int] = {}
    for value, name in _sorted(raw):
        unique = f"{name}_{value}" if name in labels else str(name)
        labels["background" if value == 0 else unique] = value
    return labels


def _sorted(raw: Mapping[str, Any]) -> list[tuple[int, Any]]:
    return sorted((int(number), name) for number, name in raw.items())


def _is_numbered(raw: Any) -> bool:
    return isinstance(raw, dict) and bool(raw) and all(key.isdecimal() for key in raw)
