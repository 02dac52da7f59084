"""Check whether a run can go on: with equal plans, seed, cases and inputs it ends as without a stop."""

from __future__ import annotations

from collections.abc import Sequence

from nnplug.dataset.case_contents import case_contents
from nnplug.dataset.splits import Fold, choose_fold
from nnplug.errors import Line, NnplugError
from nnplug.plans.differences import differences, training_decisions
from nnplug.plans.plans import read_plans
from nnplug.remedies import Action
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.training.previous_stage import check_previous_unchanged
from nnplug.training.start_record import pretrained_record
from nnplug.training.unlabelled import check_unlabelled_unchanged
from nnplug.workspace.run_record import RunRecord
from nnplug.workspace.runs import labels_of


def check_unchanged(job: TrainingJob) -> None:
    """Raise if a fold was started with other plans or another seed.

    Raises:
        NnplugError: values differ; the message has the differences and the remedy.
    """
    if not job.run.record.exists():
        return
    record = RunRecord.read(job.run.record)
    old = {**training_decisions(read_plans(job.run.plans)), "seed": record.seed, "pretrained": record.pretrained}
    new = {**training_decisions(job.run_plans), "seed": job.seed, "pretrained": pretrained_record(job)}
    for values in (old, new):  # the path of the model does not matter
        values["pretrained"] = values["pretrained"] and values["pretrained"].sha256
    if changed := list(differences(old, new)):
        raise _begun_otherwise(job, "; ".join(changed))


def check_labels(job: TrainingJob) -> None:
    """Raise `NnplugError` if a fold was started with other labels; their names may change."""
    if job.run.record.exists() and labels_of(job.run).code != job.training_description.labels.code:
        raise _begun_otherwise(job, "labels of dataset.json")


def _begun_otherwise(job: TrainingJob, what: str) -> NnplugError:
    return NnplugError(f"{job.run.path}: was begun with other values ({what})", Action.RESTORE_VALUES())


def check_resumable(job: TrainingJob, splits: Sequence[Fold]) -> Fold:
    """Return the cases of the fold; raise if it was started with other values, cases, images or previous stages.

    Raises:
        NnplugError: values differ; the message has the differences and the remedy.
    """
    check_unchanged(job)
    return check_inputs(job, splits)


def check_inputs(job: TrainingJob, splits: Sequence[Fold]) -> Fold:
    """Return the cases of the fold; raise if it was started with other labels, cases, images or previous stages.

    Raises:
        NnplugError: they differ; the message has the remedy.
    """
    check_labels(job)
    check_previous_unchanged(job)
    check_unlabelled_unchanged(job)
    return _fold(job, splits)


def _fold(job: TrainingJob, splits: Sequence[Fold]) -> Fold:
    """Return the cases of the fold; raise `NnplugError` if the run was started with other cases."""
    names = tuple(case.name for case in job.dataset.training_cases())
    fold = choose_fold(splits, names, job.fold)
    record = RunRecord.read(job.run.record) if job.run.record.exists() else None
    if record and (moved := {*record.training} ^ {*fold.train} or {*record.validation} ^ {*fold.val}):
        raise NnplugError(
            f"{job.run.path}: was begun with other cases than {job.workspace.splits} has now for fold {job.fold} "
            f"({min(moved)!r} among {len(moved)})",
            Action.RESTORE_FOLDS(),
        )
    return fold


def changed_cases(job: TrainingJob) -> tuple[str, ...]:
    """Return the cases whose label map, or the size of whose images, is another than at the start of the run."""
    files = RunRecord.read(job.run.record).files if job.run.record.exists() else None
    if files is None:
        return ()
    now = case_contents(case for case in job.dataset.training_cases() if case.name in files)
    return tuple(name for name, content in now.items() if content != files[name])


def warn_of_changed_cases(job: TrainingJob, progress: Progress) -> None:
    """Warn if images or label maps have changed since a run started."""
    if changed := changed_cases(job):
        what = "weights and scores are" if job.run.is_finished else "epochs so far are"
        text = f"{job.run.path}: {changed_in_words(changed)}; its {what} of the former files."
        progress.warning(Line(text, Action.TRAIN_ANEW()))


def changed_in_words(changed: Sequence[str]) -> str:
    """Return the text that files of cases have changed."""
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"the files of case {changed[0]}{more} have changed since its start"
