"""What the stages of a cascade hand on: label maps of the training cases, each predicted by a fold that never saw it.

nnU-Net's rule: the logits of the validation cases go straight from the grid of their stage to that of the next, where
the label is taken; not by way of the label maps in the images' own geometry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnplug.dataset.splits import Fold
from nnplug.errors import NnplugError, Problems
from nnplug.io.crop_info import CropInfo
from nnplug.ops.resample import resampled_shape, separated_axis
from nnplug.registry.entries import AugmenterComponent, TrainerComponent
from nnplug.runtime.digests import sha256
from nnplug.training.job import TrainingJob
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_record import RunRecord

if TYPE_CHECKING:
    import torch

    from nnplug.inference.loaded_model import LoadedModel


def predicting_folds(splits: Sequence[Fold]) -> dict[str, int]:
    """Case -> the fold that predicts it for the next stage: the first that is validated on it."""
    return {case: number for number, fold in reversed(list(enumerate(splits))) for case in fold.val}


class PreviousStageWriter:
    """What a trained fold owes to the configurations that refine its predictions; nothing where there are none."""

    def __init__(self, job: TrainingJob, splits: Sequence[Fold]) -> None:
        """Look at the plans.

        Args:
            job: the fold.
            splits: of the dataset.
        """
        self._job = job
        self._next = [replace(job, configuration=name) for name in job.plans.next_stages(job.configuration)]
        self._missing_predictions = {case for case, fold in predicting_folds(splits).items() if fold == job.fold}
        self._cases = job.cases

    def is_due(self, case: str) -> bool:
        """Whether a configuration waits for the case's label map."""
        return any(self._due(case))

    def write(self, case: str, logits: torch.Tensor, predictor: LoadedModel) -> None:
        """Store what is due of a case.

        Args:
            case: its name.
            logits: (K, z, y, x), on the grid of the job's configuration.
            predictor: that gave them.
        """
        crop_info = self._cases[case].crop_info
        for job in self._due(case):
            labels = on_grid(predictor, logits, crop_info, _shape(crop_info, job))
            job.previous_labels.write(case, labels, source=self._source)

    def _due(self, case: str) -> Iterator[TrainingJob]:
        for job in self._next if case in self._missing_predictions else ():
            shape = _shape(self._cases[case].crop_info, job)
            if not job.previous_labels.holds(case, shape=shape, source=self._source):
                yield job

    @cached_property
    def _source(self) -> str:
        return source_of(self._job.run)


def source_of(run: RunFolder) -> str:
    """The digest of a finished run's weights."""
    return sha256(run.final_weights)[:16]


def on_grid(
    predictor: LoadedModel, logits: torch.Tensor, crop_info: CropInfo, shape: tuple[int, int, int]
) -> npt.NDArray[np.integer[Any]]:
    """The label map of logits on another grid of the same crop.

    Whether slices are resampled one by one is decided by the spacing of the logits alone, as nnU-Net decides it here.

    Args:
        predictor: that gave the logits.
        logits: (K, z, y, x).
        crop_info: of the case on their grid.
        shape: (z, y, x) of the other grid.
    """
    force = predictor.configuration.resampling.probability.force_separate_z
    axis = separated_axis(crop_info.spacing, crop_info.spacing, force=force)
    from nnplug.ops.export import label_map

    return label_map(
        logits, shape, axis=axis, regions_class_order=predictor.model.description.labels.regions_class_order
    )


def check_takes_previous_stage(job: TrainingJob, augmenter: AugmenterComponent, trainer: TrainerComponent) -> None:
    """Refuse components that would not give the network what the previous stage predicted.

    Raises:
        Problems: a line each.
    """
    previous = job.plans.configuration(job.configuration).previous_stage
    lines = [
        f"{job.configuration} refines the predictions of {previous!r}, and the entry of {chosen.kind} {chosen.name!r} "
        f"does not say takes_previous_stage=True. Choose another {chosen.kind}, or train a configuration that refines "
        "none."
        for chosen in (augmenter, trainer)
        if not chosen.takes_previous_stage
    ]
    if lines:
        raise Problems(lines)


def check_predictions_complete(job: TrainingJob, fold: Fold, splits: Sequence[Fold]) -> None:
    """Refuse to train on cases that the previous stage has not predicted.

    Raises:
        Problems: a line per fold of the previous stage that is missing, with the command that makes it, and per case
            that no fold predicts; and why a fold "all" is no help.
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
    """Fold of the previous stage -> digest of its weights, of all whose predictions a fold learns from."""
    if job.plans.configuration(job.configuration).previous_stage is None:
        return None
    by = predicting_folds(splits)
    numbers = sorted({by[name] for name in (*fold.train, *fold.val)})
    return {str(number): source_of(_previous(job, number).run) for number in numbers}


def check_previous_unchanged(job: TrainingJob, remedy: str) -> None:
    """Refuse to go on with a fold that learned from predictions of weights that have been replaced since.

    Args:
        job: a fold, begun or not.
        remedy: what the message says to do.

    Raises:
        NnplugError: the message names the fold of the previous stage.
    """
    learned = RunRecord.read(job.run.record).previous if job.run.record.exists() else None
    for number, source in (learned or {}).items():
        previous = _previous(job, int(number))
        if previous.run.final_weights.exists() and source_of(previous.run) != source:
            raise NnplugError(f"{job.run.path}: learned from another {previous.title} than is there now. {remedy}")


def _previous(job: TrainingJob, fold: int | str) -> TrainingJob:
    return replace(job, configuration=str(job.plans.configuration(job.configuration).previous_stage), fold=fold)


def _missing(job: TrainingJob, number: int, names: Sequence[str]) -> list[str]:
    """A line if a fold of the previous stage has not handed these cases on."""
    stage = _previous(job, number)
    trained = stage.run.final_weights.exists()
    if trained and all(_is_handed_on(job, name, source_of(stage.run)) for name in names):
        return []
    why = "has not predicted all its validation cases" if trained else "is not trained"
    command = f"nnplug train {job.dataset.folder} -w {job.workspace.root} --name {job.plans.name}"
    return [f"{stage.title} {why}, and {job.title} refines it. Run: {command} -c {stage.configuration} -f {number}"]


def _is_handed_on(job: TrainingJob, case: str, source: str) -> bool:
    shape = CaseStore(job.prepared_folder)[case].crop_info.shape
    return job.previous_labels.holds(case, shape=shape, source=source)


def _shape(crop_info: CropInfo, job: TrainingJob) -> tuple[int, int, int]:
    """Of a case on the grid of that job's configuration; 2d configurations keep the distance of slices."""
    wanted = job.plans.configuration(job.configuration).spacing
    old = crop_info.transposed_spacing
    return resampled_shape(crop_info.cropped_shape, old, (*old[: 3 - len(wanted)], *wanted))
