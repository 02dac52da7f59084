"""Check the content of a `dataset.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile

EXPLICIT = 'expected {"CASE": {"images": ["FILE", ..], "label": "FILE"}}'
Listed = Mapping[str, Mapping[str, Any]]
"""Case name -> its "images" and "label", as paths relative to the dataset."""

READER_KEYS = ("reader", "overwrite_image_reader_writer")
"""The keys of `dataset.json` that name the reader: that of nnplug, and that of nnU-Net."""


def description_faults(raw: Mapping[str, Any], where: str) -> list[str]:
    """Return a line for each fault of a description."""
    missing = [key for key in ("channel_names", "labels", "numTraining", "file_ending") if key not in raw]
    lines = [f"{where}: {', '.join(missing)} missing; nnU-Net's dataset.json has it"] if missing else []
    checks: dict[str, Callable[[], object]] = {
        "channel_names": lambda: channel_names(raw["channel_names"], where),
        "labels": lambda: Labels.from_data(raw["labels"], raw.get("regions_class_order"), where),
        "file_ending": lambda: file_ending(raw["file_ending"], where),
        "numTraining": lambda: training_count(raw["numTraining"], where),
        "dataset": lambda: listed_files(raw, where),
        "testing": lambda: listed_testing_files(raw, where),
    }
    for check in (lambda: _check_reader_names(raw, where), *(checks[key] for key in checks if key in raw)):
        try:
            check()
        except InvalidFile as error:
            lines += error.lines
    return lines


def channel_names(raw: Any, where: str) -> tuple[str, ...]:
    """Return the names of the channels in order; raise `InvalidFile` if the numbers have a gap."""
    if not isinstance(raw, dict) or sorted(raw) != sorted(str(i) for i in range(len(raw))) or not raw:
        meant = f"; write {json.dumps({str(i): name for i, name in enumerate(raw)})}" if isinstance(raw, list) else ""
        raise InvalidFile(
            f'{where}: \'channel_names\' is {raw!r}; expected names under "0", "1", .. without a gap{meant}'
        )
    return tuple(str(raw[str(i)]) for i in range(len(raw)))


def file_ending(raw: Any, where: str) -> str:
    """Return the file ending of images and label maps; raise `InvalidFile` if it has no dot."""
    if not isinstance(raw, str) or not raw.startswith("."):
        raise InvalidFile(f"{where}: 'file_ending' is {raw!r}; expected an ending with its dot, such as '.nii.gz'")
    return raw


def training_count(raw: Any, where: str) -> int:
    """Return `numTraining`; raise `InvalidFile` if it is no positive number."""
    if not isinstance(raw, int) or isinstance(raw, bool) or raw < 1:
        raise InvalidFile(f"{where}: 'numTraining' is {raw!r}; expected the number of training cases")
    return raw


def _check_reader_names(raw: Mapping[str, Any], where: str) -> None:
    for key in READER_KEYS:
        if not isinstance(name := raw.get(key, "None"), str):
            raise InvalidFile(f"{where}: '{key}' is {name!r}; expected the name of a reader, or no such line")


def listed_files(raw: Mapping[str, Any], where: str) -> Listed | None:
    """Return the files of each training case, or None if none are listed; raise `InvalidFile` if the list is broken."""
    files = raw.get("dataset")
    if files is None:
        return None
    if not isinstance(files, dict):
        raise InvalidFile(f"{where}: 'dataset' is {files!r}; {EXPLICIT}")
    for name, entry in files.items():
        if not _is_entry(entry) or "label" not in entry:
            raise InvalidFile(f"{where}: 'dataset' has {entry!r} for case {name!r}; {EXPLICIT}")
    return files


def listed_testing_files(raw: Mapping[str, Any], where: str) -> Listed:
    """Return the files of each case to predict; "label" may be absent.

    A value that is no object is a key of another program, and lists nothing.

    Raises:
        InvalidFile: the list is broken.
    """
    files = raw.get("testing")
    if not isinstance(files, dict):
        return {}
    for name, entry in files.items():
        if not _is_entry(entry):
            raise InvalidFile(f"{where}: 'testing' has {entry!r} for case {name!r}; {EXPLICIT}")
    return files


def _is_entry(entry: Any) -> bool:
    """Return whether an entry lists images, and its label map, if any, is a path."""
    images = entry.get("images") if isinstance(entry, dict) else None
    return isinstance(images, list) and all(isinstance(file, str) for file in (*images, entry.get("label", "")))
