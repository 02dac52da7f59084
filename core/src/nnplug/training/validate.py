"""Score a trained fold on its validation cases, as whole images with their original geometry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidFile, within
from nnplug.evaluation.evaluate import evaluate_cases
from nnplug.evaluation.summary import read_summary, write_summary
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.logits import ENDING, write_logits
from nnplug.inference.member import LoadedMember
from nnplug.inference.options import PredictOptions
from nnplug.inference.stream import LogitsOrLabels, ReadCase, predict_stream
from nnplug.io.images import Geometry, read_geometry, write_label
from nnplug.io.thin_axis import turned_geometry
from nnplug.models.model_components import require_components
from nnplug.models.open import open_stage
from nnplug.preparation.make_splits import ensure_splits
from nnplug.registry.runtime import Runtime
from nnplug.runtime.digests import sha256
from nnplug.runtime.files import remove_folder
from nnplug.runtime.json_files import read_json, read_object, write_json
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.training.previous_stage import PreviousStageWriter
from nnplug.workspace.case_store import CaseStore, Prepared
from nnplug.workspace.run_lock import alone_in
from nnplug.workspace.run_record import RunRecord
from nnplug.workspace.runs import WeightsKind, open_run

SUMMARY = "summary.json"
SETTINGS = "settings.json"
"""The file with the settings that the predictions of a validation folder depend on."""


def validate(
    job: TrainingJob,
    runtime: Runtime,
    *,
    mirroring: bool,
    weights: WeightsKind = "final",
    save_logits: bool = False,
) -> dict[str, Any]:
    """Predict the validation cases of a fold, score them and return the summary.

    Predictions and `summary.json` are written to `validation/` of the run; those of the best weights to
    `validation_best/`. Predictions of an earlier start with the same weights and mirroring are kept. Predictions of the
    final weights are also written for next stages of a cascade (`nnplug.training.previous_stage`).

    Args:
        job: the trained fold.
        runtime: plugins, the device that predicts, and the executor that scores cases in parallel.
        mirroring: whether to average over images mirrored along the axes that training mirrors.
        weights: "final" or "best"; the best weights so far may be validated before the training has ended.
        save_logits: whether to store the logits, in small files, for ensembles.

    Returns:
        The summary in the format of nnU-Net's `summary.json`.

    Raises:
        NnplugError: the training has not written these weights yet, or another process works on the fold.
    """
    work = _FoldPredictor(job, weights, mirroring=mirroring, save_logits=save_logits)
    with alone_in(job.run, runtime.progress):
        require_components(open_stage(job.run.path, weights=weights), runtime.plugins)
        work.discard_outdated(runtime.progress)  # after every component is found
        with runtime.limited_memory():
            work.predict_missing(runtime)
        summary = work.folder / SUMMARY
        if summary.exists():
            return read_summary(summary, job.description.labels.keys)
        pairs = [(work.label_map(case), _label(case)) for case in work.cases()]
        scores = evaluate_cases(
            pairs,
            job.description,
            executor=runtime.executor,
            progress=runtime.progress,
            readers=job.dataset.readers,
        )
        write_summary(summary, scores)
        return read_summary(summary)


def was_mirrored(folder: Path) -> bool:
    """Return whether the predictions of a validation folder are averages over mirrored images."""
    file = folder / SETTINGS
    if not file.exists():
        return True
    if not isinstance(mirrored := read_object(file).get("mirroring"), bool):
        raise InvalidFile(f"{file}: 'mirroring' is {mirrored!r}; expected true or false. Remove the folder {folder}")
    return mirrored


@dataclass(frozen=True)
class _FoldPredictor:
    """The validation of a fold with final or best weights."""

    job: TrainingJob
    weights: WeightsKind
    mirroring: bool
    save_logits: bool

    @property
    def folder(self) -> Path:
        return self.job.run.validation_with(self.weights)

    def cases(self) -> list[CaseFiles]:
        names = RunRecord.read(self.job.run.record).validation
        cases = {case.name: case for case in self.job.dataset.training_cases()}
        return [cases[name] for name in names]

    def label_map(self, case: CaseFiles) -> Path:
        return self.folder / f"{case.name}{self.job.description.file_ending}"

    def logits(self, case: CaseFiles) -> Path:
        return self.folder / f"{case.name}{ENDING}"

    def discard_outdated(self, progress: Progress) -> None:
        """Remove predictions that were made with other weights or other mirroring."""
        weights = open_run(self.job.run.path).weights(self.weights)
        settings = {"weights": sha256(weights), "mirroring": self.mirroring}
        file = self.folder / SETTINGS
        if file.exists() and read_json(file) == settings:
            return
        if self.folder.exists():
            progress.notice(f"{self.folder}: is predicted again, with other weights or mirroring than before")
            remove_folder(self.folder)
        write_json(file, settings)

    def predict_missing(self, runtime: Runtime) -> None:
        job, cases = self.job, self.cases()
        splits = ensure_splits(job.dataset, job.workspace, progress=runtime.progress)
        writer = PreviousStageWriter(job, splits, runtime.registry) if self.weights == "final" else None
        missing = [case for case in cases if self._is_due(case) or (writer and writer.is_due(case.name))]
        if not missing:
            return
        options = PredictOptions(mirroring=self.mirroring)
        model = LoadedModel.load(open_stage(job.run.path, weights=self.weights), runtime, options)
        work, progress = _Cases(self, model, job.cases, writer), runtime.progress
        with progress.task(f"validate {job.title}", len(cases), done=len(cases) - len(missing)) as advance:
            predict_stream(
                model, missing, work, scratch=self.folder, logits_behind=False, progress=progress, advance=advance
            )

    def _is_due(self, case: CaseFiles) -> bool:
        return self.lacks_label_map(case) or (self.save_logits and not self.logits(case).exists())

    def lacks_label_map(self, case: CaseFiles) -> bool:
        """Return whether a case lacks its prediction; after the case is scored, the prediction need not exist."""
        return not ((self.folder / SUMMARY).exists() or self.label_map(case).exists())


@dataclass(frozen=True)
class _Cases:
    """The work of validation, a `CaseWork`: it reads preprocessed cases from the store and exports predictions."""

    work: _FoldPredictor
    model: LoadedModel
    store: CaseStore
    writer: PreviousStageWriter | None

    def read(self, case: CaseFiles, member: LoadedMember) -> ReadCase:  # noqa: ARG002
        """Return a preprocessed case, see `CaseWork`."""
        stored = self.store[case.name]
        geometry = turned_geometry(read_geometry(_label(case), case.readers))
        return ReadCase(geometry, Prepared(stored.channels(), None, stored.info))

    def needs_logits(self, case: CaseFiles) -> bool:
        """Return whether logits are stored or passed to the next stage, see `CaseWork`."""
        return self.work.save_logits or (self.writer is not None and self.writer.is_due(case.name))

    def export(self, case: CaseFiles, geometry: Geometry, predicted: LogitsOrLabels) -> None:
        """Write the label map, the logits and the input of the next stage, as far as needed; see `CaseWork`."""
        if isinstance(predicted, np.ndarray):
            write_label(self.work.label_map(case), predicted, geometry, case.readers)
            return
        (logits,) = predicted
        if self.work.save_logits:
            write_logits(self.work.logits(case), logits)
        if self.work.lacks_label_map(case):
            label_map = self.model.label_map(predicted, geometry)
            write_label(self.work.label_map(case), label_map, geometry, case.readers)
        if self.writer is not None:
            self.writer.write(case.name, logits.values)

    @contextmanager
    def attempt(self, case: CaseFiles) -> Iterator[None]:
        """Let the first error end the validation, named by its case if its file is damaged; see `CaseWork`."""
        try:
            yield
        except InvalidFile as error:
            raise InvalidFile(within(f"{case.name}: ", error.lines[0])) from error


def _label(case: CaseFiles) -> Path:
    assert case.label is not None, "training cases have labels"
    return case.label
