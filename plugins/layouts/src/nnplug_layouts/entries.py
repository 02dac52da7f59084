"""The entries of a MONAI datalist: image, label map and fold of each case, with a line for every fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRAINING, VALIDATION = "training", "validation"
TESTING = ("testing", "test")
EXPECTED = 'expected {"image": FILE or [FILE, ..], "label": FILE, "fold": NUMBER}'


@dataclass(frozen=True)
class ListEntry:
    """A case of a datalist.

    Attributes:
        where: its place in the file, such as "training[3]".
        images: the image files: one per channel, or one with all channels.
        label: the label map, or None.
        fold: the number of the fold that is validated on it, or None.
    """

    where: str
    images: tuple[Path, ...]
    label: Path | None
    fold: int | None


@dataclass
class ReadEntries:
    """The entries of a datalist.

    Attributes:
        training: entries of "training".
        validation: entries of "validation", which have no fold.
        testing: entries of "testing" and "test", the cases to predict.
        faults: a line for each fault of an entry.
    """

    training: list[ListEntry] = field(default_factory=list)
    validation: list[ListEntry] = field(default_factory=list)
    testing: list[ListEntry] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_entries(raw: Mapping[str, Any], root: Path, where: Path) -> ReadEntries:
    """Return the entries of a datalist with all faults.

    Args:
        raw: the content of the file.
        root: the folder that paths are relative to.
        where: the file, for messages.
    """
    found = ReadEntries()
    parts = ((TRAINING, found.training), (VALIDATION, found.validation), *((key, found.testing) for key in TESTING))
    for key, entries in parts:
        listed = raw.get(key, [])
        if not isinstance(listed, list):
            found.faults.append(f"{where}: {key!r} is {listed!r}; expected a list of cases")
            continue
        for number, entry in enumerate(listed):
            place = f"{key}[{number}]"
            if faults := list(_faults(entry, needs_label=key not in TESTING)):
                found.faults += [f"{where}: {place} {fault}" for fault in faults]
                continue
            read = _entry(entry, root, place)
            found.faults += [f"{path}: is missing; {place} of {where} lists it" for path in _missing(read)]
            entries.append(read)
    if not found.training and not found.faults:
        found.faults.append(f"{where}: 'training' lists no case; {EXPECTED} for each")
    return found


def _faults(entry: Any, *, needs_label: bool) -> Iterator[str]:
    if isinstance(entry, str) and not needs_label:
        return
    if not isinstance(entry, dict):
        yield f"is {entry!r}; {EXPECTED}"
        return
    images = _image_names(entry)
    if not images or not all(isinstance(image, str) and image for image in images):
        yield f"has the image {entry.get('image')!r}; {EXPECTED}"
    label = entry.get("label")
    if not isinstance(label, str) and (needs_label or label is not None):
        yield f"has the label {label!r}; {EXPECTED}"
    fold = entry.get("fold")
    if fold is not None and (type(fold) is not int or fold < 0):
        yield f"has the fold {fold!r}; expected a number from 0"


def _image_names(entry: Mapping[str, Any]) -> Sequence[Any]:
    image = entry.get("image")
    return image if isinstance(image, list) else [image]


def _entry(entry: Any, root: Path, place: str) -> ListEntry:
    fields: Mapping[str, Any] = {"image": entry} if isinstance(entry, str) else entry
    label = fields.get("label")
    return ListEntry(
        place,
        tuple(root / image for image in _image_names(fields)),
        None if label is None else root / label,
        fields.get("fold"),
    )


def _missing(entry: ListEntry) -> list[Path]:
    files = (*entry.images, *(() if entry.label is None else (entry.label,)))
    return [path for path in files if not path.is_file()]
