"""Train and validate folds of one or several configurations, each as a job of an executor."""

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
    """The training and validation of a fold, in any process. A killed training resumes.

    Attributes:
        devices: the number of devices that train one fold together.
        mirroring: whether validation averages over mirrored images.
        validating: whether the fold is validated.
        training: whether the fold is trained; if not, the existing weights are validated.
        weights: the weights that are validated, "final" or "best".
        save_logits: whether validation stores the logits, for ensembles.
        world: the processes that call `run` together.
    """

    devices: int = 1
    mirroring: bool = True
    validating: bool = True
    training: bool = True
    weights: WeightsKind = "final"
    save_logits: bool = False
    world: World = SINGLE_PROCESS

    def run(self, job: TrainingJob, progress: Progress, *, runtime: Runtime) -> Mapping[str, Any] | None:
        """Train and validate a fold; return the summary of the validation, or None without one.

        Args:
            job: the fold.
            progress: receives the progress of this job.
            runtime: plugins, device and threads; another process loads its plugins and chooses its device.
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
    """Return a job per requested fold; by default every fold of every configuration."""
    every = range(len(ensure_splits(dataset, workspace, progress=progress)))
    return [
        TrainingJob(workspace, dataset, plans, name, fold)
        for name in configurations or tuple(plans.configurations)
        for fold in folds or every
    ]


def train_folds(jobs: Sequence[TrainingJob], training: FoldTraining, runtime: Runtime) -> Summaries:
    """Train and validate folds, one after the other on this machine or in parallel on a cluster; return the summaries.

    Finished folds are not changed, so that other calls may train some of the folds, in any order. A configuration is
    trained after its previous stage.

    Args:
        jobs: the folds.
        training: the settings of training and validation.
        runtime: plugins, executor, device, threads and progress.

    Raises:
        Problems: some folds failed; a line each. The other folds are finished.
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
    if training.world.size > 1:  # the first failure ends this process, and torchrun ends the others
        results: Iterator[Mapping[str, Any] | None] = (run(job, progress) for job in jobs)
    else:
        results = runtime.executor.map_on_device(run, jobs, stage="train", name=_title, progress=progress)
    for job, summary in zip(jobs, results, strict=True):
        summaries[job.configuration, job.fold] = summary or {}
    return summaries


def _title(job: TrainingJob) -> str:
    return job.title
