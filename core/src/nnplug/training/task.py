"""Make the task of a trainer, with network, cases, augmenter and the rest, from the plans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug.contracts import Architecture, BatchAugmenter, Loss, Sampler, Trainer, TrainingLength, TrainingTask
from nnplug.contracts.attributed.architecture import build_network
from nnplug.contracts.attributed.augmenter import AttributedAugmenter
from nnplug.contracts.attributed.logits_check import LogitsCheck
from nnplug.contracts.attributed.loss import AttributedLoss
from nnplug.contracts.attributed.normalizer import zeroes_outside_mask
from nnplug.contracts.attributed.sampler import AttributedSampler
from nnplug.contracts.capabilities import batching
from nnplug.contracts.kinds import ARCHITECTURE, AUGMENTER, LOSS, SAMPLER
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.splits import Fold
from nnplug.models.acceleration import accelerated
from nnplug.models.pretrained import describe_pretrained, load_pretrained
from nnplug.plans.plans import Configuration, Plans
from nnplug.preparation.case_index import complete_index, index_entry, indexing_of
from nnplug.preparation.optional_components import OPTIONAL, planned_trainer
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.components import Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import resolve
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Progress, Silent
from nnplug.training.job import TrainingJob
from nnplug.training.unlabelled import unlabelled_cases
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.layout import RunFolder

if TYPE_CHECKING:
    import torch


USED = (Kind.NORMALIZER, Kind.ARCHITECTURE, Kind.AUGMENTER, *OPTIONAL, Kind.TRAINER)


def index_cases(job: TrainingJob, components: Registry, cases: CaseStore, fold: Fold, runtime: Runtime) -> None:
    """Complete the index of each case of the fold that sampler or trainer need; see `nnplug.preparation.case_index`.

    Cases lack it if they were preprocessed for other components or by an older version of nnplug.
    """
    indexing = indexing_of(index_entry(job.plans, components), job.training_description.labels)
    if indexing is not None:
        names = sorted({*fold.train, *fold.val})
        threads = LocalExecutor(runtime.workers)  # threads of this process, also if jobs run elsewhere
        complete_index(cases, names, indexing, executor=threads, progress=runtime.progress)


def make_task(
    job: TrainingJob,
    components: Registry,
    cases: CaseStore,
    fold: Fold,
    runtime: Runtime,
) -> TrainingTask:
    """Return the task of a job's trainer, with the initial network; `components` includes the accelerators.

    Raises:
        NnplugError: the plans name a component that the trainer does not take, see `check_taken`; or images without
            label maps are not preprocessed.
    """
    trainer = planned_trainer(job.plans, components)
    configuration = job.plans.configuration(job.configuration)
    return TrainingTask(
        network=_network(job, components, configuration, runtime.progress),
        configuration=configuration,
        labels=job.training_description.labels,
        cases=cases,
        training=fold.train,
        validation=fold.val,
        augmenter=_augmenter(job.plans, components),
        masked_channels=_masked_channels(configuration, components),
        device=runtime.torch_device(),
        run=job.run,
        seed=job.seed,
        workers=runtime.threads,
        progress=runtime.progress,
        loss=_loss(job.plans, components),
        sampler=_sampler(job.plans, components),
        accelerate=partial(accelerated, registry=components, progress=runtime.progress),
        unlabelled=unlabelled_cases(job, trainer, cases.folder),
        check_patch=partial(_check_patch, _architecture(configuration, components)),
    )


def task_without_cases(
    plans: Plans, name: str, description: DatasetDescription, components: Registry, device: torch.device
) -> TrainingTask:
    """Return a task for `nnplug.contracts.RehearsingTrainer`: without cases, run and accelerators.

    Args:
        plans: the plans.
        name: the configuration.
        description: the content of `dataset.json`.
        components: the registry with the components of the plans.
        device: the device of the training, which may not be here.

    Raises:
        NnplugError: the plans name a component that the trainer does not take, or that is not installed.
    """
    planned_trainer(plans, components)
    configuration, labels = plans.configuration(name), plans.training_description(description).labels
    architecture = _architecture(configuration, components)
    channels, nowhere = configuration.input_channels(description), Path("no run")
    return TrainingTask(
        network=build_network(architecture, channels=channels, outputs=labels.outputs),
        configuration=configuration,
        labels=labels,
        cases=CaseStore(nowhere),
        training=(),
        validation=(),
        augmenter=_augmenter(plans, components),
        masked_channels=_masked_channels(configuration, components),
        device=device,
        run=RunFolder(nowhere),
        seed=0,
        workers=1,
        progress=Silent(),
        loss=_loss(plans, components),
        sampler=_sampler(plans, components),
        check_patch=partial(_check_patch, architecture),
    )


def checked_each_epoch(task: TrainingTask, trainer: Trainer) -> TrainingTask:
    """Return a task whose augmenter's batches on the device are checked once per epoch of a trainer.

    Raises:
        InvalidPlugin: the trainer's `length` gives something else than a `TrainingLength`.
    """
    length = expect(trainer, trainer.length(task), TrainingLength)
    if not isinstance(task.augmenter, AttributedAugmenter):
        return task
    batches = max(1, length.iterations // length.log_lines)
    return replace(task, augmenter=replace(task.augmenter, batches_per_epoch=batches))


def _augmenter(plans: Plans, components: Registry) -> BatchAugmenter:
    choice = plans.choice(Kind.AUGMENTER)
    entry = components.get(AUGMENTER, choice.name)
    made = entry.create(choice.options)
    return AttributedAugmenter(made, batching(entry, made))


def _loss(plans: Plans, components: Registry) -> Loss | None:
    choice = plans.choices.get(Kind.LOSS)
    return None if choice is None else AttributedLoss(components.create(LOSS, choice.name, choice.options))


def _sampler(plans: Plans, components: Registry) -> Sampler | None:
    choice = plans.choices.get(Kind.SAMPLER)
    return None if choice is None else AttributedSampler(components.create(SAMPLER, choice.name, choice.options))


def _architecture(configuration: Configuration, components: Registry) -> Architecture:
    choice = configuration.architecture
    return components.create(ARCHITECTURE, choice.name, choice.options)


def _check_patch(architecture: Architecture, patch_size: Sequence[int]) -> None:
    with attributed(architecture):
        architecture.check_patch(patch_size)


def _network(
    job: TrainingJob, components: Registry, configuration: Configuration, progress: Progress
) -> torch.nn.Module:
    """Return the network with initial weights from the seed, and from the pretrained model if there is one."""
    import torch

    channels, outputs = configuration.input_channels(job.description), job.training_description.labels.outputs
    architecture = _architecture(configuration, components)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        network = build_network(architecture, channels=channels, outputs=outputs)
    network.register_forward_hook(LogitsCheck(architecture, outputs))
    if job.pretrained is not None:
        kept = load_pretrained(network, architecture, job.pretrained, channels=channels, outputs=outputs)
        progress.notice(f"{job.title} begins with {job.pretrained}; at random begin {', '.join(_listed(kept))}")
        for citation in describe_pretrained(job.pretrained).citations or ():
            progress.notice(f"cite for the weights of {job.pretrained}: {citation}")
    return network


def _listed(names: Sequence[str]) -> Sequence[str]:
    """Return the names of parameters; of more than `MOST_NAMES` the number per module."""
    if len(names) <= MOST_NAMES:
        return names
    modules = Counter(name.partition(".")[0] for name in names)
    return [f"{count} parameters of {module}" for module, count in modules.items()]


MOST_NAMES = 20
"""The largest number of parameters that a notice names."""


def check_pretrained(job: TrainingJob, plugins: Plugins) -> None:
    """Raise unless the training can start from the pretrained weights, before any run is removed for it.

    Raises:
        NnplugError: as in `load_pretrained`.
        MissingProvider: the architecture is not available.
    """
    if job.pretrained is not None:
        kinds = (Kind.ARCHITECTURE,)
        components, _ = resolve(job.plans.providers, plugins, what=f"plans {job.plans.name!r}", kinds=kinds)
        _network(job, Registry(components.values()), job.plans.configuration(job.configuration), Silent())


def _masked_channels(configuration: Configuration, components: Registry) -> tuple[int, ...]:
    return tuple(
        channel
        for channel, scheme in enumerate(configuration.normalization)
        if scheme.use_mask and zeroes_outside_mask(components.get(Kind.NORMALIZER, scheme.name))
    )
