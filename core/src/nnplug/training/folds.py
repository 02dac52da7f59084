"""Many folds of one or several configurations: each trained and validated as a job of an executor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nnplug.dataset.dataset import Dataset
from nnplug.plans.plans import Plans
from nnplug.preparation.make_splits import ensure_splits
from nnplug.registry.runtime import Runtime
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.training.schedule import in_stages, is_refined
from nnplug.training.train import train
from nnplug.training.validate import validate
from nnplug.workspace.layout import Workspace
from nnplug.workspace.runs import WeightsKind

Summaries = dict[tuple[str, int | str], Mapping[str, Any]]
"""(configuration, fold) -> the summary of its validation."""


@dataclass(frozen=True)
class FoldTraining:
    """Trains and validates a fold, in whatever process it is called; a training that was killed goes on.

    Attributes:
        devices: how many train one fold together.
        mirroring: whether validation averages over mirrored images.
        validating: whether the fold is validated.
        training: whether the fold is trained, or what is there is validated alone.
        weights: which weights are validated.
        save_logits: whether validation keeps what the network says, for ensembles.
        world: the processes that call this together.
    """

    devices: int = 1
    mirroring: bool = True
    validating: bool = True
    training: bool = True
    weights: WeightsKind = "final"
    save_logits: bool = False
    world: World = SINGLE_PROCESS

    def run(self, job: TrainingJob, progress: Progress, *, runtime: Runtime) -> Mapping[str, Any] | None:
        """Train, and give the summary of the validation where there is one.

        Args:
            job: the fold.
            progress: where this job reports.
            runtime: plugins, device and threads; another process loads plugins and chooses the device for itself.
        """
        own = runtime.in_job(progress)
        if self.training:
            self._train(job, own)
        if not (self.validating and self.world.is_main):
            return None
        return validate(job, own, mirroring=self.mirroring, weights=self.weights, save_logits=self.save_logits)

    def _train(self, job: TrainingJob, runtime: Runtime) -> None:
        if self.devices > 1:
            from nnplug.training.several_devices import train_together

            train_together(job, runtime, devices=self.devices)
        else:
            train(job, runtime, world=self.world)


def fold_jobs(
    dataset: Dataset,
    workspace: Workspace,
    plans: Plans,
    *,
    configurations: Sequence[str] = (),
    folds: Sequence[int | str] = (),
    progress: Progress,
) -> list[TrainingJob]:
    """The folds that are asked for; by default all of every configuration."""
    every = range(len(ensure_splits(dataset, workspace, progress=progress)))
    return [
        TrainingJob(workspace, dataset, plans, name, fold)
        for name in configurations or tuple(plans.configurations)
        for fold in folds or every
    ]


def train_folds(jobs: Sequence[TrainingJob], training: FoldTraining, runtime: Runtime) -> Summaries:
    """Train and validate folds: one after the other on this machine, at once on a cluster.

    What is finished is left as it is, so that any of them may be done by other calls, in any order. A configuration
    that refines another waits for it.

    Args:
        jobs: the folds.
        training: how to train them.
        runtime: plugins, executor, device, threads and progress.

    Raises:
        Problems: some folds failed, a line each; the others are finished.
    """
    summaries: Summaries = {}
    for stage in in_stages(jobs):
        handing_on = [job for job in stage if training.validating or is_refined(job, jobs)]
        others = [job for job in stage if job not in handing_on]
        for group, validating in ((handing_on, True), (others, False)):
            how = replace(training, validating=validating)
            summaries |= _train(group, how, runtime)
    return summaries if training.validating else {}


def _train(jobs: Sequence[TrainingJob], training: FoldTraining, runtime: Runtime) -> Summaries:
    summaries: Summaries = {}
    run, progress = partial(training.run, runtime=runtime), runtime.progress
    if training.world.size > 1:  # the first that fails ends this process, and torchrun ends the others
        results: Iterator[Mapping[str, Any] | None] = (run(job, progress) for job in jobs)
    else:
        results = runtime.executor.map_on_device(run, jobs, stage="train", name=_title, progress=progress)
    for job, summary in zip(jobs, results, strict=True):
        summaries[job.configuration, job.fold] = summary or {}
    return summaries


def _title(job: TrainingJob) -> str:
    return job.title
