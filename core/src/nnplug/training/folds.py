"""Many folds of one or several configurations: each trained and validated as a job of an executor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnplug.dataset.dataset import Dataset
from nnplug.plans.plans import Plans
from nnplug.preparation.make_splits import ensure_splits
from nnplug.registry.loader import Plugins
from nnplug.runtime.device import choose_device
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug.runtime.executor import Executor, LocalExecutor, available_cores
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.training.schedule import in_stages, is_refined
from nnplug.training.train import train
from nnplug.training.validate import validate
from nnplug.workspace.layout import Workspace
from nnplug.workspace.runs import WeightsKind

if TYPE_CHECKING:
    import torch

Summaries = dict[tuple[str, int | str], Mapping[str, Any]]
"""(configuration, fold) -> the summary of its validation."""


@dataclass(frozen=True)
class FoldTraining:
    """Trains and validates a fold, in whatever process it is called; a training that was killed goes on.

    Attributes:
        plugins: where the components come from; another process loads those of its own environment.
        device: as `--device` names it; "auto" is chosen where the job runs.
        devices: how many of them train one fold together.
        workers: threads that load and score; None means one per core of where the job runs.
        mirroring: whether validation averages over mirrored images.
        validating: whether the fold is validated.
        training: whether the fold is trained, or what is there is validated alone.
        weights: which weights are validated.
        save_logits: whether validation keeps what the network says, for ensembles.
        world: the processes that call this together.
    """

    plugins: Plugins
    device: str = "auto"
    devices: int = 1
    workers: int | None = None
    mirroring: bool = True
    validating: bool = True
    training: bool = True
    weights: WeightsKind = "final"
    save_logits: bool = False
    world: World = SINGLE_PROCESS

    def __call__(self, job: TrainingJob, progress: Progress) -> Mapping[str, Any] | None:
        """Train, and give the summary of the validation where there is one."""
        device, workers = choose_device(self.device), self.workers or available_cores()
        if self.training:
            self._train(job, device, workers, progress)
        if not (self.validating and self.world.is_main):
            return None
        return validate(
            job,
            plugins=self.plugins,
            device=device,
            mirroring=self.mirroring,
            weights=self.weights,
            save_logits=self.save_logits,
            executor=LocalExecutor(workers),
            progress=progress,
        )

    def _train(self, job: TrainingJob, device: torch.device, workers: int, progress: Progress) -> None:
        if self.devices > 1:
            from nnplug.training.several_devices import train_together

            train_together(
                job, devices=self.devices, plugins=self.plugins, device=device, workers=workers, progress=progress
            )
        else:
            train(job, plugins=self.plugins, device=device, workers=workers, progress=progress, world=self.world)


def fold_jobs(
    dataset: Dataset,
    workspace: Workspace,
    plans: Plans,
    *,
    configurations: Sequence[str] = (),
    folds: Sequence[int | str] = (),
    seed: int = 0,
    command: tuple[str, ...] = (),
    pretrained: Path | None = None,
    progress: Progress,
) -> list[TrainingJob]:
    """The folds that are asked for; by default all of every configuration."""
    every = range(len(ensure_splits(dataset, workspace, progress=progress)))
    return [
        TrainingJob(workspace, dataset, plans, name, fold, seed, command, pretrained)
        for name in configurations or tuple(plans.configurations)
        for fold in folds or every
    ]


def train_folds(
    jobs: Sequence[TrainingJob], training: FoldTraining, *, executor: Executor, progress: Progress
) -> Summaries:
    """Train and validate folds: one after the other on this machine, at once on a cluster.

    What is finished is left as it is, so that any of them may be done by other calls, in any order. A configuration
    that refines another waits for it.

    Args:
        jobs: the folds.
        training: how to train them.
        executor: where.
        progress: where to report.

    Raises:
        Problems: some folds failed, a line each; the others are finished.
    """
    summaries: Summaries = {}
    for stage in in_stages(jobs):
        handing_on = [job for job in stage if training.validating or is_refined(job, jobs)]
        others = [job for job in stage if job not in handing_on]
        for group, validating in ((handing_on, True), (others, False)):
            how = replace(training, validating=validating)
            summaries |= _train(group, how, executor=executor, progress=progress)
    return summaries if training.validating else {}


def _train(jobs: Sequence[TrainingJob], training: FoldTraining, *, executor: Executor, progress: Progress) -> Summaries:
    summaries: Summaries = {}
    if training.world.size > 1:  # the first that fails ends this process, and torchrun ends the others
        results: Iterator[Mapping[str, Any] | None] = (training(job, progress) for job in jobs)
    else:
        results = executor.map_on_device(training, jobs, stage="train", name=_title, progress=progress)
    for job, summary in zip(jobs, results, strict=True):
        summaries[job.configuration, job.fold] = summary or {}
    return summaries


def _title(job: TrainingJob) -> str:
    return job.title
