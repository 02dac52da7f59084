"""The images without label maps that a trainer gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nnplug.contracts.kinds import TrainerEntry
from nnplug.errors import NnplugError
from nnplug.remedies import Action
from nnplug.training.job import TrainingJob
from nnplug.workspace.run_record import RunRecord
from nnplug.workspace.unlabelled import UnlabelledCase, UnlabelledStore


def unlabelled_cases(job: TrainingJob, trainer: TrainerEntry, cases: Path) -> Mapping[str, UnlabelledCase]:
    """Return the preprocessed images without label maps; none if the trainer does not take them.

    Args:
        job: the fold.
        trainer: the trainer of its plans.
        cases: the folder of the preprocessed cases.

    Raises:
        NnplugError: images of the dataset are not preprocessed.
    """
    if not trainer.component.takes_unlabelled:
        return {}
    store = UnlabelledStore.beside(cases)
    if missing := sorted({files.name for files in job.dataset.unlabelled_cases()} - {*store}):
        raise NnplugError(
            f"{store.folder}: {len(missing)} images of {job.dataset.unlabelled_folder} are not preprocessed "
            f"({missing[0]}, ..)",
            job.preprocess_first,
        )
    return store if len(store) else {}


def check_unlabelled_unchanged(job: TrainingJob) -> None:
    """Raise if a run was started with other images without label maps: a resumed training has equal results.

    Raises:
        NnplugError: the names differ; the message has one of them and the remedy.
    """
    record = RunRecord.read(job.run.record) if job.run.record.exists() else None
    if record is None or record.unlabelled is None:
        return
    if moved := {*record.unlabelled} ^ _names(job):
        raise NnplugError(
            f"{job.run.path}: was begun with other images without label maps than {job.dataset.unlabelled_folder} has "
            f"now ({min(moved)!r} among {len(moved)})",
            Action.RESTORE_UNLABELLED(),
        )


def _names(job: TrainingJob) -> set[str]:
    """Return the names of the dataset's images, or of the preprocessed ones where the dataset has no such folder."""
    if job.dataset.unlabelled_folder.is_dir():
        return {files.name for files in job.dataset.unlabelled_cases()}
    return {*UnlabelledStore.beside(job.prepared_folder)}
