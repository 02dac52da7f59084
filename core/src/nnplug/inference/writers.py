"""Choose the writers of a prediction, and write predicted label maps with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnplug.contracts import PredictedCase, Writer
from nnplug.contracts.kinds import WRITER, WriterEntry
from nnplug.dataset.dataset import CaseFiles, DatasetDescription
from nnplug.errors import ComponentFailed, InvalidOptions, NnplugError, Problems, within
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.components import Registry
from nnplug.runtime.progress import Progress


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
    def key(self) -> str:
        """The key of its files in `PredictionFiles.of`."""
        return f"writer {self.entry.name}"

    @property
    def ending(self) -> str:
        """The ending of its files."""
        return self.entry.component.ending

    def create(self) -> Writer:
        """Return the component; errors are those of `Entry.create`."""
        return self.entry.create(self.options)

    def write(self, path: Path, predicted: PredictedCase) -> None:
        """Write a file.

        Raises:
            NnplugError: the format cannot hold the label map, or the file cannot be written.
            ComponentFailed: the writer failed; the message names it and the file.
        """
        writer = self.create()
        try:
            with attributed(writer):
                writer.write(path, predicted)
        except ComponentFailed as error:
            raise ComponentFailed(within(f"{path}: ", error.lines[0])) from error

    def data(self) -> list[Any]:
        """Return JSON of everything that its files depend on besides the label map."""
        return [self.entry.name, {key: str(value) for key, value in self.options.items()}]


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
