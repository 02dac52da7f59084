"""Track a training: start the trackers that the user named, and report those that fail or are slow."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nnplug.contracts import TrackedRun, read_log
from nnplug.errors import within
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.training.trackers.choose_trackers import WITHOUT_IT, create_trackers
from nnplug.training.trackers.follower import Follower, Sent
from nnplug.workspace.run_record import RunRecord

PATIENCE = 300.0
"""The seconds that the command waits for trackers at the end of a training."""

STOPPED_PATIENCE = 10.0
"""The same, if the training was stopped by an error or the user."""

_QUIET = 2.0  # seconds of waiting without a word


@contextmanager
def tracked(job: TrainingJob, runtime: Runtime) -> Iterator[Callable[[], None]]:
    """Send a training to its trackers while the block trains; yield the function to call after each step.

    The block ends with the training. A tracker that has received the whole training is left out; if the training is
    finished already, an empty block sends the rest.

    Args:
        job: the fold; its run has a record.
        runtime: the plugins with the trackers, and the progress that receives warnings.

    Raises:
        NnplugError: the user named an unknown tracker or option. Faults of a tracker are warnings.
    """
    followers = _followers(job, runtime) if job.trackers else []

    def step() -> None:
        for follower in followers:
            follower.wake()
        _report(followers, runtime.progress)

    finished = False
    try:
        yield step
        finished = True
    finally:
        for follower in followers:
            follower.stop(finished=finished)
        _wait(followers, runtime.progress, PATIENCE if finished else STOPPED_PATIENCE)


def _followers(job: TrainingJob, runtime: Runtime) -> list[Follower]:
    followers = []
    epochs = len(read_log(job.run.log))
    for name, tracker in create_trackers(job.trackers, runtime.registry, runtime.progress):
        file = job.run.tracker(name)
        sent = Sent.read(file) if file.exists() else Sent()
        if not (job.run.is_finished and sent.model_epochs == epochs):
            followers.append(Follower(tracker, _run(job, sent.epochs), name))
    return followers


def _run(job: TrainingJob, sent: int) -> TrackedRun:
    record = RunRecord.read(job.run.record)
    name = f"{record.dataset}/{record.plans}/{record.configuration}/fold_{record.fold}"
    return TrackedRun(
        name=name,
        id=hashlib.sha256(f"{name} {record.created}".encode()).hexdigest()[:16],
        folder=job.run.path,
        parameters=parameters_of(job, record),
        classes=tuple(job.training_description.labels.by_output.keys),
        sent=sent,
    )


def parameters_of(job: TrainingJob, record: RunRecord) -> dict[str, Any]:
    """Return the decisions of a run, flat: "batch_size", "trainer" (a name), "trainer.epochs"."""
    parameters = {
        "dataset": record.dataset,
        "plans": record.plans,
        "configuration": record.configuration,
        "fold": record.fold,
        "seed": record.seed,
        "training_cases": len(record.training),
        "pretrained": record.pretrained and record.pretrained.model,
    }
    data = job.run_plans.data()
    return parameters | dict(_flat(data["choices"])) | dict(_flat(data["configurations"][job.configuration]))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and value of each leaf; a component is its name, with its options below."""
    before = f"{path}." if path else ""
    if isinstance(value, Mapping) and set(value) == {"name", "options"}:
        yield path, value["name"]
        yield from _flat(value["options"], path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{before}{key}")
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _flat(item, f"{before}{number}")
    else:
        yield path, value


def _report(followers: Sequence[Follower], progress: Progress) -> None:
    for follower in followers:
        if fault := follower.take_fault():
            progress.warning(within("", fault, WITHOUT_IT))


def _wait(followers: Sequence[Follower], progress: Progress, patience: float) -> None:
    deadline = time.monotonic() + patience
    for follower in followers:
        if follower.join(min(_QUIET, patience)):
            continue
        progress.notice(f"{follower.title} is still receiving; it has at most {patience:.0f} s")
        if not follower.join(max(deadline - time.monotonic(), 0)):
            progress.warning(
                f"{follower.title} has not received everything after {patience:.0f} s; "
                "the same command sends it the rest"
            )
    _report(followers, progress)
