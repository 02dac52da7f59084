"""Compare the files that a command will write with those that it reads and with those that exist."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnplug.errors import InvalidFile, Line, NnplugError, Problems
from nnplug.remedies import Action
from nnplug.runtime import output_log
from nnplug.runtime.files import explained, read_json, write_json

DATASET_JSON = "dataset.json"
_DECIDING = ("labels", "regions_class_order", "channel_names", "file_ending")
"""The keys of `dataset.json` that say what label maps and images mean: other values, another dataset."""


def _nothing(path: Path) -> bool:  # noqa: ARG001 - the signature of `Outputs.made`
    return False


@dataclass(frozen=True)
class Outputs:
    """The files that a call will write, and those that it reads.

    Attributes:
        files: every file that may be written.
        inputs: every file that is read; paths that do not exist count for nothing.
        documents: of JSON files among `files`, what will be written: a file that says the same is left as it is.
        made: tells of a file that the folder's log does not list whether nnplug made it, as versions without a log did.
    """

    files: tuple[Path, ...]
    inputs: tuple[Path, ...] = ()
    documents: Mapping[Path, Any] = field(default_factory=dict)
    made: Callable[[Path], bool] = _nothing

    def check(self, *, replace: bool = False) -> None:
        """Refuse to overwrite what is read, what somebody else made, and the `dataset.json` of another dataset.

        Args:
            replace: whether files may be replaced that nnplug did not write, or that have changed since.

        Raises:
            Problems: a line per file that would be lost, with its remedy. Nothing has been written by then.
        """
        sources = _identities(self.inputs)
        lines = [f"{path}: two results would be written to this file; rename an input" for path in _twice(self.files)]
        logs: dict[Path, output_log.Entries] = {}
        for path in dict.fromkeys(self.files):
            source = next((sources[key] for key in _keys(path) if key in sources), None)
            line = self._obstacle(path, replace=replace, logs=logs) if source is None else _read_too(path, source)
            lines += [] if line is None else [line]
        if lines:
            raise Problems(lines)

    def claim(self, *, replace: bool = False) -> None:
        """Check, then make the folders and their logs, so that whatever is written there counts as nnplug's.

        Args:
            replace: see `check`.

        Raises:
            Problems: see `check`.
            NnplugError: a folder cannot be made.
        """
        self.check(replace=replace)
        for folder in dict.fromkeys(path.parent for path in self.files):
            with explained(folder):
                folder.mkdir(parents=True, exist_ok=True)
                output_log.begin(folder)

    def _obstacle(self, path: Path, *, replace: bool, logs: dict[Path, output_log.Entries]) -> str | None:
        """Return why a file that is there must not be replaced, None where it may."""
        if not os.path.lexists(path):
            return None
        if path.is_dir():
            return Line(f"{path}: a folder stands where a file is to be written", Action.OTHER_OUTPUT())
        if (other := _other_dataset(path, self.documents.get(path))) is not None:
            return Line(f"{path}: {other}, and is never replaced", Action.OTHER_OUTPUT())
        if replace or (path in self.documents and _says_the_same(path, self.documents[path])):
            return None
        if path.parent not in logs:
            logs[path.parent] = output_log.read(path.parent)
        versions = logs[path.parent].get(path.name, ())
        if path.is_file() and (output_log.is_one_of(path, versions) if versions else self.made(path)):
            return None
        what = "has changed since nnplug wrote it" if versions else "is there, and nnplug did not write it"
        return Line(f"{path}: {what}", Action.OTHER_OUTPUT_OR_REPLACE())


def write_document(path: Path, data: Any) -> None:
    """Write JSON; a file that says the same already is left as it is, with its spaces and its order of keys."""
    if not _says_the_same(path, data):
        write_json(path, data)


def check_folder(target: Path, inputs: Iterable[Path]) -> None:
    """Refuse a folder that is to be replaced as a whole and that is, or holds, something that is read.

    Args:
        target: the folder that will be replaced.
        inputs: files and folders that are read.

    Raises:
        NnplugError: an input would be removed.
    """
    own = set(_keys(target)) if target.exists() else set()
    for source in inputs:
        places = (source, *Path(os.path.realpath(source)).parents)
        if any(key in own for place in places for key in _keys(place)):
            raise NnplugError(
                f"{target}: holds {source}, which is read here and would be removed", Action.OTHER_OUTPUT()
            )


def _read_too(path: Path, source: Path) -> str:
    if path.absolute() == source.absolute():
        return Line(
            f"{path}: is read here, and a result of the same name would replace it", Action.OTHER_OUTPUT_OR_RENAME()
        )
    return Line(
        f"{path}: is the same file as {source}, which is read here and would be replaced", Action.OTHER_OUTPUT()
    )


def _identities(paths: Iterable[Path]) -> dict[Hashable, Path]:
    found: dict[Hashable, Path] = {}
    for path in paths:
        for key in _keys(path) if path.exists() else ():
            found.setdefault(key, path)
    return found


def _keys(path: Path) -> Iterator[Hashable]:
    """Yield what two paths of one file have in common: where links lead, and the file itself (hard links, case)."""
    yield os.path.realpath(path)
    try:
        stat = path.stat()
    except OSError:
        return
    if stat.st_ino:
        yield stat.st_dev, stat.st_ino


def _twice(paths: Iterable[Path]) -> list[Path]:
    return [path for path, count in Counter(paths).items() if count > 1]


def _other_dataset(path: Path, document: Any) -> str | None:
    """Return why `dataset.json` must not be replaced; None where it describes the same dataset, and of other files."""
    if path.name.lower() != DATASET_JSON:
        return None
    there = _content(path)
    if not isinstance(there, dict) or "labels" not in there:
        return None
    if not isinstance(document, dict):
        return "describes a dataset"
    for key in _DECIDING:
        ours, theirs = _canonical(document.get(key)), _canonical(there.get(key))
        if ours != theirs:
            return f"belongs to another dataset ({key!r} is {theirs}, here {ours})"
    return None


def _says_the_same(path: Path, data: Any) -> bool:
    there = _content(path)
    return there is not None and _canonical(there) == _canonical(data)


def _canonical(data: Any) -> str:
    """Return JSON in one spelling: the order of keys means nothing, NaN equals NaN."""
    return json.dumps(json.loads(json.dumps(data)), sort_keys=True)


def _content(path: Path) -> Any:
    """Return the JSON of a file, None where it holds none."""
    try:
        return read_json(path) if path.is_file() else None
    except InvalidFile:
        return None
