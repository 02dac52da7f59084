"""Extend a finished run: check the changes of its plans, and turn its folder into that of a stopped run."""

from __future__ import annotations

import msgspec

from nnplug.contracts.capabilities import extensible
from nnplug.contracts.kinds import TRAINER
from nnplug.errors import NnplugError
from nnplug.plans.differences import differences, training_decisions
from nnplug.plans.plans import Choice, Plans, read_plans
from nnplug.registry.attribution import attributed
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.remedies import Action
from nnplug.runtime.files import explained, remove_folder
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.workspace.run_record import RunRecord


def is_extension(job: TrainingJob, plugins: Plugins) -> bool:
    """Return whether a job only extends a finished run; its trainer decides this."""
    run = job.run
    if not (run.record.exists() and run.final_weights.exists()):
        return False
    earlier, later = read_plans(run.plans), job.run_plans
    was, wanted = earlier.choice(Kind.TRAINER), later.choice(Kind.TRAINER)
    if was.name != wanted.name or was == wanted:
        return False
    if training_decisions(_with_trainer(earlier, wanted)) != training_decisions(later):
        return False
    entry = plugins.registry.get(TRAINER, wanted.name)
    new = extensible(entry, entry.create(wanted.options))
    if new is None:
        return False
    with attributed(new):
        return bool(new.extends(entry.create(was.options)))


def begin_extension(job: TrainingJob, progress: Progress) -> None:
    """Turn a finished run into a stopped one with the new plans. After a kill at any moment it can be called again.

    The final weights stay until the longer training writes new ones. Their validation is removed.

    Raises:
        NnplugError: the run has no state to continue from.
    """
    run = job.run
    if not (run.final_state.exists() or run.state.exists()):
        raise NnplugError(
            f"{run.path}: kept no {run.final_state.name} at its end, so it cannot go on",
            Action.TRAIN_ANEW(),
        )
    lines = tuple(differences(training_decisions(read_plans(run.plans)), training_decisions(job.run_plans)))
    progress.notice(f"{job.title} was finished and goes on ({'; '.join(lines)}); its schedule is planned anew")
    with explained(run.path):
        if not run.state.exists():  # else a kill ended an extension before its weights were written
            run.final_state.replace(run.state)
    remove_folder(run.validation)
    record = RunRecord.read(run.record)
    extended = tuple(dict.fromkeys((*record.extended, *lines)))
    msgspec.structs.replace(record, plans_digest=job.run_plans.digest(), extended=extended).write(run.record)
    job.run_plans.write(run.plans)


def _with_trainer(plans: Plans, trainer: Choice) -> Plans:
    return msgspec.structs.replace(plans, choices={**plans.choices, Kind.TRAINER: trainer})
