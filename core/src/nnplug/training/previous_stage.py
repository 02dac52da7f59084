"""Pass label maps between the stages of a cascade; a fold predicts only cases that it did not train on.

As in nnU-Net, the logits of the validation cases are resampled directly from the grid of their stage to that of the
next, and decoded there. The label maps on the images' grid are not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from nnplug.contracts.attributed.preprocessor import AttributedPreprocessing
from nnplug.dataset.splits import Fold
from nnplug.errors import Line, NnplugError, Problems
from nnplug.preparation.preprocessing import bind_preprocessor
from nnplug.registry.components import Registry
from nnplug.registry.entries import AugmenterComponent, PreprocessorComponent, TrainerComponent
from nnplug.remedies import Action
from nnplug.training.job import TrainingJob
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.run_record import RunRecord
from nnplug.workspace.runs import source_of

if TYPE_CHECKING:
    import torch


def predicting_folds(splits: Sequence[Fold]) -> dict[str, int]:
    """Return case -> the fold that predicts it for the next stage: the first fold with this validation case."""
    return {case: number for number, fold in reversed(list(enumerate(splits))) for case in fold.val}


class PreviousStageWriter:
    """A writer of a fold's predictions for the next stages of a cascade; without a next stage it writes nothing."""

    def __init__(self, job: TrainingJob, splits: Sequence[Fold], registry: Registry) -> None:
        """Find the next stages in the plans.

        Args:
            job: the fold.
            splits: the folds of the dataset.
            registry: the registry with the preprocessor.
        """
        self._job = job
        self._next = [replace(job, configuration=name) for name in job.plans.next_stages(job.configuration)]
        self._missing_predictions = {case for case, fold in predicting_folds(splits).items() if fold == job.fold}
        self._cases = job.cases
        self._registry = registry

    def is_due(self, case: str) -> bool:
        """Return whether a next stage lacks the label map of a case."""
        return any(self._due(case))

    def write(self, case: str, logits: torch.Tensor) -> None:
        """Store the label maps of a case that next stages lack.

        Args:
            case: the name of the case.
            logits: (K, z, y, x) float32, on the grid of the job's configuration.
        """
        info = self._cases[case].info
        for job in self._due(case):
            labels = self._bound(self._job).label_map_on(logits, info, self._bound(job).shape_of(info))
            job.previous_labels.write(case, labels, source=self._source)

    def _due(self, case: str) -> Iterator[TrainingJob]:
        for job in self._next if case in self._missing_predictions else ():
            shape = self._bound(job).shape_of(self._cases[case].info)
            if not job.previous_labels.holds(case, shape=shape, source=self._source):
                yield job

    def _bound(self, job: TrainingJob) -> AttributedPreprocessing:
        labels = job.training_description.labels
        return bind_preprocessor(job.plans, job.configuration, labels, self._registry)

    @cached_property
    def _source(self) -> str:
        return source_of(self._job.run)


def check_takes_previous_stage(
    job: TrainingJob, *chosen: AugmenterComponent | TrainerComponent | PreprocessorComponent
) -> None:
    """Raise unless components support the previous stage of a cascade, if the job has one.

    Raises:
        Problems: a line each.
    """
    previous = job.plans.configuration(job.configuration).previous_stage
    lines = [
        f"{job.configuration} refines the predictions of {previous!r}, and the entry of {one.kind} {one.name!r} "
        f"does not say takes_previous_stage=True. Choose another {one.kind}, or train a configuration that refines "
        "none."
        for one in chosen
        if not one.takes_previous_stage
    ]
    if lines:
        raise Problems(lines)


def check_predictions_complete(job: TrainingJob, fold: Fold, splits: Sequence[Fold]) -> None:
    """Raise if the previous stage has not predicted all cases of a fold.

    Raises:
        Problems: a line per missing fold of the previous stage, with the command to train it, and per case that no fold
            predicts; and the reason why a fold "all" does not help.
    """
    names, by = sorted({*fold.train, *fold.val}), predicting_folds(splits)
    lines = [
        f"case {name!r}: no fold of {job.workspace.splits} is validated on it, so that no model predicts it unseen; "
        "name it in a fold's 'val'"
        for name in names
        if name not in by
    ]
    for number in sorted({by[name] for name in names if name in by}):
        lines += _missing(job, number, [name for name in names if by.get(name) == number])
    if lines and (every := _previous(job, "all")).run.final_weights.exists():
        lines.append(
            f"{every.title} cannot stand in for them: it has seen every case, and predicts it better than new ones"
        )
    if lines:
        raise Problems(lines)


def previous_sources(job: TrainingJob, fold: Fold, splits: Sequence[Fold]) -> dict[str, str] | None:
    """Return fold of the previous stage -> digest of its weights, for all folds whose predictions are an input."""
    if job.plans.configuration(job.configuration).previous_stage is None:
        return None
    by = predicting_folds(splits)
    numbers = sorted({by[name] for name in (*fold.train, *fold.val)})
    return {str(number): source_of(_previous(job, number).run) for number in numbers}


def check_previous_unchanged(job: TrainingJob) -> None:
    """Raise if a fold learned from predictions of weights that have been replaced since.

    Args:
        job: a fold, started or not.

    Raises:
        NnplugError: the message names the fold of the previous stage.
    """
    learned = RunRecord.read(job.run.record).previous if job.run.record.exists() else None
    for number, source in (learned or {}).items():
        previous = _previous(job, int(number))
        if previous.run.final_weights.exists() and source_of(previous.run) != source:
            raise NnplugError(
                f"{job.run.path}: learned from another {previous.title} than is there now", Action.RESTORE_VALUES()
            )


def _previous(job: TrainingJob, fold: int | str) -> TrainingJob:
    return replace(job, configuration=str(job.plans.configuration(job.configuration).previous_stage), fold=fold)


def _missing(job: TrainingJob, number: int, names: Sequence[str]) -> list[str]:
    """Return a line if a fold of the previous stage has not stored its label maps of these cases."""
    stage = _previous(job, number)
    trained = stage.run.final_weights.exists()
    if trained and all(_is_handed_on(job, name, source_of(stage.run)) for name in names):
        return []
    why = "has not predicted all its validation cases" if trained else "is not trained"
    remedy = Action.TRAIN_PREVIOUS_STAGE(
        dataset=job.dataset.folder,
        workspace=job.workspace.root,
        plans=job.plans.name,
        configuration=stage.configuration,
        fold=number,
    )
    return [Line(f"{stage.title} {why}, and {job.title} refines it", remedy)]


def _is_handed_on(job: TrainingJob, case: str, source: str) -> bool:
    shape = CaseStore(job.prepared_folder)[case].image.shape[1:]
    return job.previous_labels.holds(case, shape=shape, source=source)
