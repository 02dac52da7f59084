"""Train one fold of a configuration: resumable, and equal to an uninterrupted run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nnplug.components import Entry, Kind
from nnplug.contracts import TrainingTask
from nnplug.data.dataset import Dataset, DatasetDescription
from nnplug.data.plans import Configuration, Plans, read_plans
from nnplug.data.previous import PreviousLabels
from nnplug.data.record import RunRecord, installed_versions
from nnplug.data.splits import Fold, choose_fold
from nnplug.data.store import CaseStore
from nnplug.data.workspace import RunFolder, Workspace
from nnplug.errors import NnplugError
from nnplug.plugins import Plugins
from nnplug.provenance import resolve
from nnplug.runtime.files import explained, write_json
from nnplug.runtime.memory import keep_freed_memory
from nnplug.runtime.progress import Progress
from nnplug.stages.cascade import (
    check_handed_on,
    check_previous_unchanged,
    check_takes_previous_stage,
    previous_sources,
)
from nnplug.stages.changes import differences
from nnplug.stages.curves import draw_curves
from nnplug.stages.split import ensure_splits

if TYPE_CHECKING:
    from pathlib import Path

    import torch

USED = (Kind.NORMALIZER, Kind.ARCHITECTURE, Kind.AUGMENTER, Kind.TRAINER)
REMEDY = "Give the same values to go on, --fresh to train it again from the start, or --name NAME to keep both."
Components = Mapping[tuple[Kind, str], Entry]


@dataclass(frozen=True)
class TrainingJob:
    """One fold to train.

    Attributes:
        workspace: where the dataset's preprocessed cases and runs live.
        dataset: the raw dataset.
        plans: every decision, including the trainer's options.
        configuration: its name in the plans.
        fold: a number, or "all".
        seed: of every random draw.
        command: what the user typed, for the record.
    """

    workspace: Workspace
    dataset: Dataset
    plans: Plans
    configuration: str
    fold: int | str
    seed: int = 0
    command: tuple[str, ...] = ()

    @property
    def description(self) -> DatasetDescription:
        """`dataset.json`."""
        return self.dataset.description

    @property
    def learned(self) -> DatasetDescription:
        """`dataset.json` as the plans have it learnt: with regions, or with the classes in them."""
        return self.plans.learned(self.description)

    @property
    def run(self) -> RunFolder:
        """The folder that the fold is trained into."""
        return self.workspace.run(self.plans.name, self.configuration, self.fold)

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"{self.configuration} fold {self.fold}"

    @property
    def cases(self) -> CaseStore:
        """The preprocessed cases, in a cascade with what the previous stage predicted for them."""
        refining = self.plans.configuration(self.configuration).previous_stage is not None
        return CaseStore(self.prepared_folder, previous=self.previous_labels if refining else None)

    @property
    def prepared_folder(self) -> Path:
        """Where the preprocessed cases are."""
        return self.workspace.preprocessed(self.plans.name, self.plans.prepared_as(self.configuration))

    @property
    def previous_labels(self) -> PreviousLabels:
        """Where the previous stage of a cascade leaves its predictions for this configuration."""
        return PreviousLabels(self.workspace.previous(self.plans.name, self.configuration))

    @property
    def own_plans(self) -> Plans:
        """The plans with this configuration and those that lead to it: what the run is a function of."""
        return self.plans.only(self.configuration)


def train(job: TrainingJob, *, plugins: Plugins, device: torch.device, workers: int, progress: Progress) -> RunFolder:
    """Train a fold to the end, going on where an earlier start was stopped; a finished fold is left as it is.

    Args:
        job: what to train.
        plugins: where the components that the plans name come from.
        device: where to train.
        workers: threads that load and augment; they change no number.
        progress: where to report.

    Raises:
        NnplugError: the fold was begun with other plans or another seed, its cases are not preprocessed, or it refines
            another configuration and a chosen component knows nothing of cascades.
        Problems: folds of the configuration that it refines are missing; a line each with the command to make it.
        MissingProvider: a component that the plans name is not to be had.
    """
    check_unchanged(job)
    check_previous_unchanged(job, REMEDY)
    if job.run.final_weights.exists():
        return job.run
    components, notes = resolve(job.plans.providers, plugins, what=f"plans {job.plans.name!r}", kinds=USED)
    for note in notes:
        progress.notice(note)
    cases = job.cases
    splits = ensure_splits(job.dataset, job.workspace, progress=progress)
    fold = _fold(job, cases, splits)
    task = make_task(job, components, cases, fold, device=device, workers=workers, progress=progress)
    trainer = create(components, job.plans, Kind.TRAINER)
    if task.previous_labels:
        check_takes_previous_stage(job, task.augmenter, trainer)
        check_handed_on(job, fold, splits)
    _write_record(job, fold, trainer.mirror_axes(task.configuration.dimensions), splits)
    if device.type == "cpu":
        keep_freed_memory()
    trainer.train(task)
    draw_curves(job.run.log, job.run.curves)
    return job.run


def discard(run: RunFolder) -> None:
    """Remove a run, so that it is trained again from the start (`--fresh`)."""
    discard_folder(run.path)


def discard_folder(folder: Path) -> None:
    """Remove a folder if it is there; raises `NnplugError` where it cannot be removed."""
    if folder.exists():
        with explained(folder):
            shutil.rmtree(folder)


def check_unchanged(job: TrainingJob, *, remedy: str = REMEDY) -> None:
    """Refuse to go on with a fold that was begun with other plans or another seed.

    Args:
        job: what is to be gone on with.
        remedy: what the message says to do, for commands that call things otherwise.

    Raises:
        NnplugError: the message lists what differs, and the remedy.
    """
    if not job.run.record.exists():
        return
    record = RunRecord.read(job.run.record)
    old = {**_decisions(read_plans(job.run.path / "plans.json")), "seed": record.seed}
    if changed := list(differences(old, {**_decisions(job.own_plans), "seed": job.seed})):
        raise NnplugError(f"{job.run.path}: was begun with other values ({'; '.join(changed)}). {remedy}")


def _decisions(plans: Plans) -> dict[str, object]:
    """What training depends on: not which version of a plugin made the plans."""
    data = plans.data()
    return {key: data[key] for key in data if key not in ("providers", "recipe", "name")}


def create(components: Components, plans: Plans, kind: Kind) -> Any:
    """The component of a kind that is chosen once per plan, with its options."""
    choice = plans.choice(kind)
    return components[kind, choice.name].create(choice.options)


def make_task(
    job: TrainingJob,
    components: Components,
    cases: CaseStore,
    fold: Fold,
    *,
    device: torch.device,
    workers: int,
    progress: Progress,
) -> TrainingTask:
    """All that the trainer of a job gets, the network with initial weights included."""
    configuration = job.plans.configuration(job.configuration)
    return TrainingTask(
        network=_network(job, components, configuration),
        configuration=configuration,
        labels=job.learned.labels,
        cases=cases,
        training=fold.train,
        validation=fold.val,
        augmenter=create(components, job.plans, Kind.AUGMENTER),
        masked_channels=_masked_channels(configuration, components),
        device=device,
        run=job.run,
        seed=job.seed,
        workers=workers,
        progress=progress,
    )


def _fold(job: TrainingJob, cases: CaseStore, splits: Sequence[Fold]) -> Fold:
    names = tuple(case.name for case in job.dataset.training_cases())
    fold = choose_fold(splits, names, job.fold)
    if missing := sorted({*fold.train, *fold.val} - set(cases)):
        raise NnplugError(
            f"{cases.folder}: {len(missing)} cases are not preprocessed ({missing[0]}, ..). "
            f"Run: nnplug preprocess {job.dataset.folder} -c {job.configuration}"
        )
    return fold


def _network(job: TrainingJob, components: Components, configuration: Configuration) -> torch.nn.Module:
    """The network with initial weights that depend on the seed alone."""
    import torch

    choice = configuration.architecture
    architecture = components[Kind.ARCHITECTURE, choice.name].create(choice.options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        network: torch.nn.Module = architecture.build(
            channels=configuration.input_channels(job.description), outputs=job.learned.labels.outputs
        )
    return network


def _masked_channels(configuration: Configuration, components: Components) -> tuple[int, ...]:
    return tuple(
        channel
        for channel, scheme in enumerate(configuration.normalization)
        if scheme.use_mask and components[Kind.NORMALIZER, scheme.name].load().zeroes_outside_mask
    )


def _write_record(job: TrainingJob, fold: Fold, mirror_axes: tuple[int, ...], splits: Sequence[Fold]) -> None:
    """Write what makes the run folder self-contained; `run.json` last, since its presence says that all is there."""
    run = job.run
    if run.record.exists():
        return
    job.own_plans.write(run.path / "plans.json")
    write_json(run.path / "dataset.json", job.learned.raw)
    RunRecord(
        dataset=job.plans.dataset,
        plans=job.plans.name,
        plans_digest=job.own_plans.digest(),
        configuration=job.configuration,
        fold=job.fold,
        seed=job.seed,
        command=job.command,
        providers=job.plans.providers,
        versions=installed_versions(job.plans.providers),
        mirror_axes=mirror_axes,
        training=fold.train,
        validation=fold.val,
        created=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        previous=previous_sources(job, fold, splits),
    ).write(run.record)
