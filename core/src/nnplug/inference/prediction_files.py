"""The files that a prediction writes and reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.description_faults import READER_KEYS
from nnplug.dataset.sidecars import read_with_cases, written_with
from nnplug.inference.logits import ENDING
from nnplug.inference.options import PredictOptions
from nnplug.inference.outputs import resume_log
from nnplug.inference.outputs.writers import ChosenWriter
from nnplug.io.readers import ReaderEntry
from nnplug.runtime.outputs import Outputs


@dataclass(frozen=True)
class PredictionFiles:
    """The names of the files that are written for each case.

    Attributes:
        output: the folder.
        description: `dataset.json` of the model with the labels of the kept classes.
        probabilities: whether CASE.npz is written.
        logits: whether CASE.logits.zip is written.
        writers: the writers that write the label maps in further formats.
    """

    output: Path
    description: DatasetDescription
    probabilities: bool = False
    logits: bool = False
    writers: tuple[ChosenWriter, ...] = ()

    @classmethod
    def chosen(cls, output: Path, options: PredictOptions, kept: DatasetDescription) -> Self:
        """Return the names of the files that the options of a prediction ask for; `kept` is the field `description`."""
        return cls(output, kept, options.save_probabilities, options.save_logits, options.writers)

    def of(self, case: CaseFiles) -> dict[str, Path]:
        """Return "labels" -> its file; and "probabilities", "logits" -> their files, if written."""
        labels = f"{case.name}{case.readers.label_ending(case.images[0])}"
        files = {"labels": labels}
        if self.probabilities:
            files["probabilities"] = f"{case.name}.npz"
        if self.logits:
            files["logits"] = f"{case.name}{ENDING}"
        return {what: self.output / name for what, name in files.items()}

    def further(self, case: CaseFiles) -> list[tuple[ChosenWriter, tuple[Path, ...]]]:
        """Return each writer that writes files for a case, with the files.

        A writer whose file is the label map itself is left out. Errors are those of `ChosenWriter.files`.
        """
        labels = self.of(case)["labels"]
        named = [(writer, writer.files(case, self.description)) for writer in self.writers]
        found = [(writer, tuple(self.output / name for name in names)) for writer, names in named]
        return [(writer, files) for writer, files in found if files != (labels,)]

    def all_of(self, case: CaseFiles) -> tuple[Path, ...]:
        """Return every file that is written for a case, without sidecar files."""
        return (*self.of(case).values(), *(file for _, files in self.further(case) for file in files))

    @property
    def shared(self) -> tuple[Path, ...]:
        """The files that all cases share."""
        return tuple(self.output / name for writer in self.writers for name in writer.shared_files())

    def _written(self, case: CaseFiles) -> Iterator[Path]:
        """Yield every file that is written for a case, with the sidecar files of its label map."""
        for file in self.all_of(case):
            yield from written_with(file, case.readers)

    def outputs(self, cases: Iterable[CaseFiles], inputs: Iterable[Path], *, plans: Any, dataset: Any) -> Outputs:
        """Return all files that a prediction writes.

        Args:
            cases: the cases.
            inputs: the files that are read, see `image_inputs`.
            plans: the content of `plans.json`.
            dataset: the content of `dataset.json`.
        """
        documents = {self.output / "plans.json": plans, self.output / "dataset.json": dataset}
        written = [(file, case.name) for case in cases for file in self._written(case)]
        owner, shared = dict(written), self.shared
        log = resume_log.read(self.output)

        def made(path: Path) -> bool:
            if path.name == resume_log.LOG:
                return resume_log.is_there(self.output)
            return owner[path] in log if path in owner else bool(log)

        files = (*(file for file, _ in written), *shared, *documents, self.output / resume_log.LOG)
        return Outputs(files, tuple(inputs), documents, made, extended=frozenset(shared))


def image_inputs(cases: Iterable[CaseFiles]) -> tuple[Path, ...]:
    """Return every file that is read for the images of cases."""
    return read_with_cases(cases)


def output_description(raw: Mapping[str, Any], cases: Sequence[CaseFiles]) -> dict[str, Any]:
    """Return the `dataset.json` of predictions: that of the model, with the format and the reader of these images.

    Commands that read the label maps then read them as the prediction did.
    """
    written = {_label_format(case) for case in cases}
    if len(written) != 1:
        return dict(raw)
    ((ending, reader),) = written
    own = {"file_ending": ending} if ending and ending != raw["file_ending"] else {}
    if reader.component.implied and not any(key in raw for key in READER_KEYS):
        return {**raw, **own}
    names = [name for name, endings in reader.component.dataset_names.items() if ending in endings]
    named = next((raw[key] for key in READER_KEYS if key in raw), None)
    return {**raw, **own} if named in (reader.name, *names) else {**raw, **own, "reader": reader.name}


def _label_format(case: CaseFiles) -> tuple[str, ReaderEntry]:
    """Return the ending of the label map of a case and its reader."""
    ending = case.readers.label_ending(case.images[0])
    plain = case.readers.ending(case.images[0]) == ending.lower()
    return ending, case.readers.entry(case.images[0] if plain else Path(f"labels{ending}"))
