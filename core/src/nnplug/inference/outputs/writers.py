"""Choose the writers of a prediction, and write predicted label maps with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from nnplug.contracts import DatasetWriter, PredictedCase, PredictingModel, Writer
from nnplug.contracts.kinds import WRITER, WriterEntry
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import ComponentFailed, InvalidFile, InvalidOptions, NnplugError, Problems, within
from nnplug.registry.attribution import attributed, broken, expect
from nnplug.registry.components import Registry
from nnplug.remedies import Action
from nnplug.runtime.files import named_file, write_text
from nnplug.runtime.lock import locked
from nnplug.runtime.outputs import claim_inside
from nnplug.runtime.progress import Progress

_PATIENCE = 600.0
"""Seconds to wait for the files that cases share: many processes may add theirs at the same time."""


@dataclass(frozen=True)
class ChosenWriter:
    """A writer with the options that it is made with. It is picklable, and imports the writer when it is created.

    Attributes:
        entry: the entry of the component.
        options: the options of the user.
    """

    entry: WriterEntry
    options: Mapping[str, Any]

    @property
    def ending(self) -> str:
        """The ending of its files; empty if it writes a dataset."""
        return self.entry.component.ending

    @property
    def writes_dataset(self) -> bool:
        """True for a `nnplug.contracts.DatasetWriter`."""
        return self.entry.component.writes_dataset

    def create(self) -> Writer:
        """Return the component; errors are those of `Entry.create`."""
        return self.entry.create(self.options)

    def files(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:
        """Return the files of a case, relative to the output folder.

        Raises:
            NnplugError: the layout has no name for the case.
            ComponentFailed, InvalidPlugin: the writer failed, or names no files in the folder.
        """
        if not self.writes_dataset:
            return (f"{case.name}{self.ending}",)
        writer = cast("DatasetWriter", self.create())
        with attributed(writer):
            return _in_folder(writer, writer.files(case, description))

    def shared_files(self) -> tuple[str, ...]:
        """Return the files that all cases share, relative to the output folder; raises as `files` does."""
        if not self.writes_dataset:
            return ()
        writer = cast("DatasetWriter", self.create())
        with attributed(writer):
            return _in_folder(writer, writer.shared_files())

    def write_shared_files(self, folder: Path, cases: Iterable[CaseFiles], model: PredictingModel) -> None:
        """Add cases to the files that all cases share; other processes that predict into the folder wait.

        Raises:
            NnplugError: a case cannot be added, or a file cannot be understood or written.
            ComponentFailed, InvalidPlugin: the writer failed.
        """
        writer, names = cast("DatasetWriter", self.create()), self.shared_files()
        if not names:
            return
        with locked(folder / f".{self.entry.name}.lock", what=str(folder), patience=_PATIENCE):
            before = {name: content for name in names if (content := _text(folder / name)) is not None}
            after: Mapping[str, str] = before
            for case in cases:
                with attributed(writer):
                    after = expect(writer, writer.shared(folder, after, case, model), dict)
                    if set(after) != set(names):
                        raise broken(writer, f"gave the shared files {', '.join(after)} instead of {', '.join(names)}")
            for name, content in after.items():
                if before.get(name) != content:
                    claim_inside(folder, (folder / name).parent)
                    write_text(folder / name, content)

    def write(self, path: Path, predicted: PredictedCase) -> None:
        """Write a file, or the files of a case into the folder `path`.

        Raises:
            NnplugError: the format cannot hold the label map, or the file cannot be written.
            ComponentFailed: the writer failed; the message names it and the file.
        """
        try:
            if self.writes_dataset:
                self._call(path, predicted)
            else:
                self._write_file(path, predicted)
        except ComponentFailed as error:
            raise ComponentFailed(within(f"{path}: ", error.lines[0])) from error

    def _write_file(self, path: Path, predicted: PredictedCase) -> None:
        """Write a file whole or not at all: a writer that fails leaves none."""
        with named_file(path) as temporary:
            writer = self._call(temporary, predicted)
            if not temporary.is_file():
                raise broken(writer, f"did not write {path.name}")

    def _call(self, path: Path, predicted: PredictedCase) -> Writer:
        """Call the writer, and return it."""
        writer = self.create()
        with attributed(writer):
            writer.write(path, predicted)
        return writer

    def data(self) -> list[Any]:
        """Return JSON of everything that its files depend on besides the label map."""
        return [self.entry.name, {key: str(value) for key, value in self.options.items()}]


def _in_folder(writer: object, names: Any) -> tuple[str, ...]:
    """Return names of files if they are relative paths in a folder.

    Raises:
        InvalidPlugin: they are not.
    """
    paths = [PurePosixPath(expect(writer, name, str)) for name in expect(writer, names, tuple)]
    for path in paths:
        if path.is_absolute() or not path.parts or ".." in path.parts:
            raise broken(writer, f"names the file {str(path)!r}, which is no path in the output folder")
    return tuple(map(str, paths))


def _text(path: Path) -> str | None:
    """Return the content of a text file; None if it is missing."""
    try:
        return path.read_text(encoding="utf-8-sig") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{path}: cannot be read as text ({error})", Action.OTHER_OUTPUT()) from error


def choose_writers(names: Sequence[str], options: Mapping[str, Any], registry: Registry) -> tuple[ChosenWriter, ...]:
    """Return the writers that the user names, in that order.

    Args:
        names: the names of the writers.
        options: option -> value. "NAME.KEY" is an option of writer NAME, "KEY" of every named writer that has it.
        registry: the installed components.

    Raises:
        UnknownComponent, AmbiguousComponent: as in `Registry.get`.
        InvalidOptions: no named writer has an option, or a value is invalid.
    """
    entries = [registry.get(WRITER, name) for name in dict.fromkeys(names)]
    known = {entry.name: {option for option, *_ in entry.options()} for entry in entries}
    for key in options:
        name, dot, _ = key.partition(".")
        if dot and name not in known:
            raise InvalidOptions(f"writer.{key} is set, but no writer {name!r} is named")
        if not dot and not any(key in own for own in known.values()):
            named = f"none of {', '.join(known)} has" if known else "no writer is named that has"
            raise InvalidOptions(f"writer.{key} is set, but {named} an option {key!r}")
    chosen = tuple(ChosenWriter(entry, _options_of(entry.name, options, known[entry.name])) for entry in entries)
    for one in chosen:
        one.create()
    return chosen


def _options_of(writer: str, options: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    shared = {key: value for key, value in options.items() if key in known}
    own = {key.partition(".")[2]: value for key, value in options.items() if key.startswith(f"{writer}.")}
    return {**shared, **own}


def check_writers(
    writers: Sequence[ChosenWriter], cases: Sequence[CaseFiles], description: DatasetDescription, progress: Progress
) -> None:
    """Ask every writer, before anything is predicted, whether it can write the predictions of the cases.

    Args:
        writers: the writers.
        cases: the cases.
        description: `dataset.json` of the model.
        progress: receives each notice of a writer once.

    Raises:
        Problems: predictions of some cases cannot be written; a line each.
    """
    notices: dict[str, None] = {}
    lines: list[str] = []
    for writer in writers:
        made = writer.create()
        for case in cases:
            try:
                with attributed(made):
                    found = expect(made, made.check(case, description), tuple)
                notices |= dict.fromkeys(found)
            except NnplugError as error:
                lines += _named(case, error)
    if lines:
        raise Problems(lines)
    for line in notices:
        progress.notice(line)


def _named(case: CaseFiles, error: NnplugError) -> Iterator[str]:
    yield from (within(f"{case.name}: ", line) for line in error.lines)


def write_further(
    files: Iterable[tuple[ChosenWriter, Sequence[Path]]], output: Path, predicted: PredictedCase, by: PredictingModel
) -> None:
    """Write a label map with each writer.

    Args:
        files: each writer with its files of the case.
        output: the output folder.
        predicted: the label map with its case.
        by: the model.

    Raises:
        NnplugError, ComponentFailed: as `ChosenWriter.share` and `ChosenWriter.write`; or files are missing then.
    """
    for writer, paths in files:
        if not writer.writes_dataset:
            writer.write(paths[0], predicted)
            continue
        writer.write_shared_files(output, [predicted.case], by)
        for folder in dict.fromkeys(path.parent for path in paths):
            claim_inside(output, folder)
        writer.write(output, predicted)
        if missing := [path.name for path in paths if not path.is_file()]:
            raise broken(writer.create(), f"did not write {', '.join(missing)}")
