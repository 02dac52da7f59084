"""The files that a prediction writes and reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import CaseFiles
from nnplug.dataset.description_faults import READER_KEYS
from nnplug.dataset.sidecars import read_with_cases, written_with
from nnplug.inference import resume_log
from nnplug.inference.inputs import image_ending
from nnplug.inference.logits import ENDING
from nnplug.runtime.outputs import Outputs


@dataclass(frozen=True)
class PredictionFiles:
    """The names of the files that are written for each case.

    Attributes:
        output: the folder.
        probabilities: whether CASE.npz is written.
        logits: whether CASE.logits.zip is written.
    """

    output: Path
    probabilities: bool = False
    logits: bool = False

    def of(self, case: CaseFiles) -> dict[str, Path]:
        """Return "labels" -> its file; and "probabilities" and "logits" -> their files, if they are written."""
        files = {"labels": f"{case.name}{image_ending(case.images[0], case.readers) or ''}"}
        if self.probabilities:
            files["probabilities"] = f"{case.name}.npz"
        if self.logits:
            files["logits"] = f"{case.name}{ENDING}"
        return {what: self.output / name for what, name in files.items()}

    def _written(self, case: CaseFiles) -> Iterator[Path]:
        """Yield every file that is written for a case, with the sidecar files of its label map."""
        for file in self.of(case).values():
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
        owner = {file: case.name for case in cases for file in self._written(case)}
        log = resume_log.read(self.output)

        def made(path: Path) -> bool:
            if path.name == resume_log.LOG:
                return bool(log) or path.stat().st_size == 0
            return owner[path] in log if path in owner else bool(log)

        files = [file for case in cases for file in self._written(case)]
        return Outputs((*files, *documents, self.output / resume_log.LOG), tuple(inputs), documents, made)


def image_inputs(cases: Iterable[CaseFiles]) -> tuple[Path, ...]:
    """Return every file that is read for the images of cases."""
    return read_with_cases(cases)


def output_description(raw: Mapping[str, Any], cases: Sequence[CaseFiles]) -> dict[str, Any]:
    """Return the `dataset.json` of predictions: that of the model, with the format and the reader of these images.

    Commands that read the label maps then read them as the prediction did.
    """
    written = {(image_ending(case.images[0], case.readers), case.readers.entry(case.images[0])) for case in cases}
    if len(written) != 1:
        return dict(raw)
    ((ending, reader),) = written
    own = {"file_ending": ending} if ending and ending != raw["file_ending"] else {}
    if reader.component.implied and not any(key in raw for key in READER_KEYS):
        return {**raw, **own}
    names = [name for name, endings in reader.component.dataset_names.items() if ending in endings]
    named = next((raw[key] for key in READER_KEYS if key in raw), None)
    return {**raw, **own} if named in (reader.name, *names) else {**raw, **own, "reader": reader.name}
