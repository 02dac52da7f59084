"""One fold as nnU-Net's users find it: trained from nnUNet_preprocessed alone, beside nnU-Net's own files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nnplug.errors import NnplugError, Problems
from nnplug_nnunetv2_commands.class_names.trainers import TrainerChoice
from nnplug_nnunetv2_commands.command import Call
from nnplug_nnunetv2_commands.plans_files import load_plans
from nnplug_nnunetv2_commands.workspace import NnunetWorkspace

if TYPE_CHECKING:
    from pathlib import Path

    from nnplug.dataset.dataset import Dataset
    from nnplug.registry.loader import Plugins
    from nnplug.runtime.progress import Progress
    from nnplug.training.job import TrainingJob
    from nnplug.workspace.layout import RunFolder


REMEDY = "Give the same values, or leave out --c, which trains the fold again from the start."
FILES = ("checkpoint_final.pth", "checkpoint_best.pth", "checkpoint_latest.pth")


def open_job(
    call: Call, workspace: NnunetWorkspace, trainer: TrainerChoice, *, plans: str, configuration: str, fold: str
) -> TrainingJob:
    """Return the training job, from what lies in nnUNet_preprocessed.

    Raises:
        NnplugError: plans or prepared cases are missing; the message names the command that makes them.
    """
    from nnplug.training.job import TrainingJob

    path = workspace.plans(plans)
    loaded = load_plans(path, configuration, trainer, call.plugins.registry)
    dataset = preprocessed_dataset(workspace)
    number: int | str = int(fold) if fold.isdigit() else fold
    job = TrainingJob(workspace, dataset, loaded, configuration, number, command=call.words)
    _check_prepared(job)
    _check_previous(job, workspace.trainer)
    return job


def preprocessed_dataset(workspace: NnunetWorkspace) -> Dataset:
    """The training cases as nnUNet_preprocessed has them: names and label maps, no images.

    Raises:
        NnplugError: the dataset is not preprocessed.
    """
    from nnplug.dataset.dataset import Dataset, DatasetDescription
    from nnplug.evaluation.evaluate import label_files

    if not workspace.description.is_file() or not workspace.ground_truth.is_dir():
        raise NnplugError(f"{workspace.folder}: not preprocessed. Run nnUNetv2_preprocess -d {workspace.dataset}")
    description = DatasetDescription.read(workspace.description)
    labels = label_files(workspace.ground_truth, (description.file_ending,))
    files = {name: {"images": [], "label": str(file.relative_to(workspace.folder))} for name, file in labels.items()}
    return Dataset(workspace.folder, replace(description, files=files))


def with_pretrained(call: Call, job: TrainingJob, checkpoint: Path | None, *, go_on: bool) -> TrainingJob:
    """The job beginning with the weights of a checkpoint, of nnplug or nnU-Net.

    They are kept as a bundle beside the fold, for `--c` goes on with a training that has begun with the same.

    Args:
        call: where plugins come from.
        job: what is trained.
        checkpoint: `checkpoint_final.pth` or `checkpoint_best.pth` in a model folder; None to begin at random.
        go_on: whether `--c` is given.

    Raises:
        NnplugError: both are given, or the file is not in a model folder, or it needs what nnplug does not have.
    """
    from nnplug.training.train import discard_folder
    from nnplug_nnunet.nnunet_models import import_model
    from nnplug_nnunetv2_commands.models import weights_kind

    place = job.run.path.with_name(f"pretrained_{job.run.path.name}")
    if go_on:
        if checkpoint is not None:
            raise NnplugError("-pretrained_weights begins a training and --c goes on with one; give one of them")
        return replace(job, pretrained=place) if place.is_dir() else job
    if checkpoint is None:
        discard_folder(place)
        return job
    model, fold = checkpoint.parent.parent, checkpoint.parent.name.removeprefix("fold_")
    if checkpoint.name not in FILES[:2] or not checkpoint.is_file() or not (model / "plans.json").is_file():
        raise NnplugError(
            f"{checkpoint}: give {' or '.join(FILES[:2])} in a fold of a model folder, whose plans.json says what "
            "network it belongs to"
        )
    kind = weights_kind(checkpoint.name)
    import_model(model, place, registry=call.plugins.registry, progress=call.progress, folds=[fold], checkpoint=kind)
    return replace(job, pretrained=place)


def begin_anew(run: RunFolder, progress: Progress) -> None:
    """Without `--c` a fold is trained from the start, as nnU-Net does.

    Raises:
        NnplugError: nnU-Net itself trained into the folder; weeks of its work are not removed.
    """
    from nnplug.training.train import discard

    if run.record.exists():
        progress.notice(f"{run.path}: what was trained before is removed; --c would go on with it")
    elif any((run.path / name).exists() for name in FILES):
        raise NnplugError(
            f"{run.path}: holds a training of nnU-Net v2. Predict with it, move it away, or set nnUNet_results to "
            "another folder."
        )
    discard(run)


def write_model_files(workspace: NnunetWorkspace, plans: str, configuration: str) -> None:
    """Put plans, dataset.json and fingerprint where nnU-Net has them, beside the folds."""
    from nnplug.runtime.files import copy_file

    folder = workspace.model_folder(plans, configuration)
    copies = {
        workspace.plans(plans): "plans.json",
        workspace.description: "dataset.json",
        workspace.fingerprint: "dataset_fingerprint.json",
    }
    for source, name in copies.items():
        if source.is_file():
            copy_file(source, folder / name)


def write_checkpoints(job: TrainingJob) -> None:
    """Write a trained fold's weights as nnU-Net's checkpoints too: scripts look for them, and nnU-Net reads them."""
    from nnplug.contracts import read_log
    from nnplug.workspace.run_record import RunRecord
    from nnplug_nnunet.nnunet_models import export_checkpoint

    run = job.run
    for weights, name in ((run.final_weights, FILES[0]), (run.best_weights, FILES[1])):
        if weights.exists() and not (run.path / name).exists():
            export_checkpoint(
                weights,
                run.path / name,
                plans=job.plans,
                configuration=job.configuration,
                description=job.description,
                fold=str(job.fold),
                mirror_axes=RunRecord.read(run.record).mirror_axes,
                epochs=len(read_log(run.log)),
            )


def write_npz(folder: Path, plugins: Plugins) -> None:
    """Turn the logits that validation keeps into nnU-Net's CASE.npz."""
    from nnplug.inference.averaging import mean_volumes
    from nnplug.inference.logits import ENDING, read_logits
    from nnplug.inference.probabilities import write_probabilities

    for file in sorted(folder.glob(f"*{ENDING}")):
        logits = read_logits(file, folder, plugins)
        target = folder / f"{file.name.removesuffix(ENDING)}.npz"
        write_probabilities(target, mean_volumes(logits, folder), logits.shape)
        file.unlink()


def _check_prepared(job: TrainingJob) -> None:
    from nnplug.workspace.case_store import CaseStore

    store = CaseStore(job.prepared_folder)
    if missing := sorted({case.name for case in job.dataset.training_cases()} - set(store)):
        raise NnplugError(
            f"{store.folder}: {len(missing)} cases are not prepared by nnplug ({missing[0]}, ..). Run "
            f"nnUNetv2_preprocess -d {job.dataset.name} -plans_name {job.plans.name} -c {job.configuration}"
        )


def _check_previous(job: TrainingJob, trainer: str) -> None:
    """A cascade learns from what every fold of the stage before has predicted unseen."""
    from nnplug.preparation.make_splits import ensure_splits
    from nnplug.runtime.progress import Silent

    stage = job.plans.configuration(job.configuration).previous_stage
    if stage is None:
        return
    folds = range(len(ensure_splits(job.dataset, job.workspace, progress=Silent())))
    runs = {fold: job.workspace.run(job.plans.name, stage, fold) for fold in folds}
    if lines := [
        f"{run.path}: {job.configuration} refines it, and it is not validated. Run: nnUNetv2_train {job.dataset.name} "
        f"{stage} {fold} -tr {trainer} -p {job.plans.name}"
        for fold, run in runs.items()
        if not (run.validation / "summary.json").is_file()
    ]:
        raise Problems(lines)
