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
from nnplug.runtime.files import explained
from nnplug.runtime.json_files import read_json, write_json

DATASET_JSON = "dataset.json"
_DECIDING = ("labels", "regions_class_order", "channel_names", "file_ending")
"""The keys of `dataset.json` that define a dataset: files that differ in one of them describe different datasets."""


def _nothing(path: Path) -> bool:  # noqa: ARG001 - the signature of `Outputs.made`
    return False


@dataclass(frozen=True)
class Outputs:
    """The files that a call will write, and the files that it reads.

    Attributes:
        files: every file that may be written.
        inputs: every file that is read; paths that do not exist are left out.
        documents: path -> content to write, for JSON files among `files`. A file with the same content may stay.
        made: returns whether nnplug made a file that is not in the folder's log. Older versions kept no log.
        extended: the files among `files` to which the call adds: users may have edited them since nnplug wrote them.
    """

    files: tuple[Path, ...]
    inputs: tuple[Path, ...] = ()
    documents: Mapping[Path, Any] = field(default_factory=dict)
    made: Callable[[Path], bool] = _nothing
    extended: frozenset[Path] = frozenset()

    def check(self, *, replace: bool = False) -> None:
        """Raise unless all files may be written.

        Refused are files that are read, files that nnplug did not make, and the `dataset.json` of another dataset.

        Args:
            replace: whether to replace files that nnplug did not write, or that have changed since it wrote them.

        Raises:
            Problems: a line per file that would be lost, with its remedy. Nothing is written.
        """
        sources = _identities(self.inputs)
        lines = [f"{path}: two results would be written to this file; rename an input" for path in _twice(self.files)]
        logs = output_log.Logs()
        for path in dict.fromkeys(self.files):
            source = next((sources[key] for key in _keys(path) if key in sources), None)
            line = self._obstacle(path, replace=replace, logs=logs) if source is None else _read_too(path, source)
            lines += [] if line is None else [line]
        if lines:
            raise Problems(lines)

    def claim(self, *, replace: bool = False) -> None:
        """Check the files, then create the folders and their logs, so that files written there count as nnplug's.

        Args:
            replace: see `check`.

        Raises:
            Problems: see `check`.
            NnplugError: a folder cannot be created.
        """
        self.check(replace=replace)
        for folder in dict.fromkeys(path.parent for path in self.files):
            claim_folder(folder)

    def _obstacle(self, path: Path, *, replace: bool, logs: output_log.Logs) -> str | None:
        """Return the reason why an existing file must not be replaced, or None if it may be."""
        if not os.path.lexists(path):
            return None
        if path.is_dir():
            return Line(f"{path}: is a folder, but a file is to be written here", Action.OTHER_OUTPUT())
        if (other := _other_dataset(path, self.documents.get(path))) is not None:
            return Line(f"{path}: {other}, and is never replaced", Action.OTHER_OUTPUT())
        if replace or (path in self.documents and _has_equal_content(path, self.documents[path])):
            return None
        versions = logs.of(path)
        if versions and path in self.extended and path.is_file():
            return None
        if path.is_file() and (output_log.is_one_of(path, versions) if versions else self.made(path)):
            return None
        what = "has changed since nnplug wrote it" if versions else "is there, and nnplug did not write it"
        return Line(f"{path}: {what}", Action.OTHER_OUTPUT_OR_REPLACE())


def claim_folder(folder: Path) -> None:
    """Create a folder and its log, so that files written there count as nnplug's.

    Raises:
        NnplugError: the folder cannot be created.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        output_log.begin(folder)


def claim_inside(folder: Path, inside: Path) -> None:
    """Create a folder in one that has a log, which then lists the files that nnplug writes there.

    Raises:
        NnplugError: the folder cannot be created.
    """
    with explained(inside):
        inside.mkdir(parents=True, exist_ok=True)
        output_log.begin(folder)
        output_log.begin_inside(folder, inside)


def write_document(path: Path, data: Any) -> None:
    """Write JSON. A file with the same content is left unchanged, with its spaces and its order of keys."""
    if not _has_equal_content(path, data):
        write_json(path, data)


def same_json(one: Path, other: Path) -> bool:
    """Return whether two JSON files say the same, in any order of keys and with any spaces."""
    ours = _content(one)
    return ours is not None and _has_equal_content(other, ours)


def check_folder(target: Path, inputs: Iterable[Path]) -> None:
    """Raise if a folder that will be replaced as a whole is, or contains, an input.

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
    """Yield keys that are equal for two paths of one file: the target of links, and the file's id.

    The id is equal for hard links, and for names in another case on a file system that ignores case.
    """
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
    """Return the reason why `dataset.json` must not be replaced; None for the same dataset, and for other files."""
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


def _has_equal_content(path: Path, data: Any) -> bool:
    there = _content(path)
    return there is not None and _canonical(there) == _canonical(data)


def _canonical(data: Any) -> str:
    """Return JSON in a canonical spelling, in which the order of keys does not matter and NaN equals NaN."""
    return json.dumps(json.loads(json.dumps(data)), sort_keys=True)


def _content(path: Path) -> Any:
    """Return the content of a JSON file; None if the file is missing or is not JSON."""
    try:
        return read_json(path) if path.is_file() else None
    except InvalidFile:
        return None
