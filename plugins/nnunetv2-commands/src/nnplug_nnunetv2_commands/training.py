"""Training of one fold from nnUNet_preprocessed alone, in nnU-Net's folders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nnplug.errors import NnplugError, Problems
from nnplug_nnunetv2_commands.class_names.trainers import TrainerChoice
from nnplug_nnunetv2_commands.command import Call
from nnplug_nnunetv2_commands.environment import WANDB
from nnplug_nnunetv2_commands.plans_files import load_plans
from nnplug_nnunetv2_commands.workspace import NnunetWorkspace

if TYPE_CHECKING:
    from pathlib import Path

    from nnplug.dataset.dataset import Dataset
    from nnplug.registry.loader import Plugins
    from nnplug.training.job import TrainingJob
    from nnplug.workspace.layout import RunFolder


FILES = ("checkpoint_final.pth", "checkpoint_best.pth", "checkpoint_latest.pth")


def open_job(
    call: Call, workspace: NnunetWorkspace, trainer: TrainerChoice, *, plans: str, configuration: str, fold: str
) -> TrainingJob:
    """Return the training job from the files in nnUNet_preprocessed.

    Raises:
        NnplugError: plans or preprocessed cases are missing; the message names the command that makes them.
    """
    from nnplug.training.job import TrainingJob

    path = workspace.plans(plans)
    loaded = load_plans(path, configuration, trainer, call.plugins.registry)
    dataset = preprocessed_dataset(call, workspace)
    number: int | str = int(fold) if fold.isdecimal() else fold
    job = TrainingJob(workspace, dataset, loaded, configuration, number, command=call.words)
    _check_prepared(job)
    _check_previous(job, workspace.trainer)
    return job


def preprocessed_dataset(call: Call, workspace: NnunetWorkspace) -> Dataset:
    """Return the training cases of nnUNet_preprocessed: names and label maps, no images.

    Raises:
        NnplugError: the dataset is not preprocessed.
    """
    from nnplug.dataset.dataset import Dataset
    from nnplug.dataset.description import DatasetDescription
    from nnplug.evaluation.pairs import label_files

    if not workspace.description.is_file() or not workspace.ground_truth.is_dir():
        raise NnplugError(f"{workspace.folder}: not preprocessed. Run nnUNetv2_preprocess -d {workspace.dataset}")
    description = DatasetDescription.read(workspace.description)
    labels = label_files(workspace.ground_truth, (description.file_ending,))
    files = {name: {"images": [], "label": str(file.relative_to(workspace.folder))} for name, file in labels.items()}
    readers = description.readers(call.readers, str(workspace.description))
    return Dataset(workspace.folder, replace(description, files=files), readers)


def with_pretrained(call: Call, job: TrainingJob, checkpoint: Path | None, *, go_on: bool) -> TrainingJob:
    """Return the job with the weights of a checkpoint, of nnplug or nnU-Net, as its start.

    The weights are stored as a bundle beside the fold, because `--c` needs the same start.

    Args:
        call: gives the plugins.
        job: the training.
        checkpoint: `checkpoint_final.pth` or `checkpoint_best.pth` in a model folder; None for random weights.
        go_on: whether `--c` is given.

    Raises:
        NnplugError: both are given, or the file is not in a model folder, or it needs a feature that nnplug lacks.
    """
    from nnplug.runtime.files import remove_folder
    from nnplug_nnunet.nnunet_models import import_model
    from nnplug_nnunetv2_commands.models import weights_kind

    place = job.run.path.with_name(f"pretrained_{job.run.path.name}")
    if go_on:
        if checkpoint is not None:
            raise NnplugError("-pretrained_weights starts a training and --c continues one; give one of them")
        return replace(job, pretrained=place) if place.is_dir() else job
    if checkpoint is None:
        remove_folder(place)
        return job
    model, fold = checkpoint.parent.parent, checkpoint.parent.name.removeprefix("fold_")
    if checkpoint.name not in FILES[:2] or not checkpoint.is_file() or not (model / "plans.json").is_file():
        raise NnplugError(
            f"{checkpoint}: give {' or '.join(FILES[:2])} in a fold of a model folder; its plans.json "
            "describes the network"
        )
    kind = weights_kind(checkpoint.name)
    import_model(model, place, registry=call.plugins.registry, progress=call.progress, folds=[fold], checkpoint=kind)
    return replace(job, pretrained=place)


def with_trackers(call: Call, job: TrainingJob) -> TrainingJob:
    """Return the job with the tracker that nnU-Net's variables of W&B ask for, if any.

    Raises:
        NnplugError: no plugin with the tracker is installed, or a variable has an unknown value.
    """
    from nnplug.registry.components import Kind
    from nnplug.training.trackers.choose_trackers import check_trackers, chosen_trackers

    options = call.environment.wandb
    if options is None:
        return job
    registry = call.plugins.registry
    if "wandb" not in registry.names(Kind.TRACKER):
        raise NnplugError(
            f"{WANDB} is set, but no tracker 'wandb' is installed. Run: pip install 'nnplug[wandb]', or unset {WANDB}"
        )
    choices = chosen_trackers(["wandb"], {f"wandb.{key}": value for key, value in options.items()})
    check_trackers(choices, registry)
    return replace(job, trackers=choices)


def refuse_nnunet(run: RunFolder) -> None:
    """Raise if a fold was trained by nnU-Net itself: that may be weeks of work, and nnplug does not go on with it.

    Raises:
        NnplugError: the folder has checkpoints, and no record of nnplug.
    """
    if not run.record.exists() and any((run.path / name).exists() for name in FILES):
        raise NnplugError(
            f"{run.path}: holds a training of nnU-Net v2, which stays as it is. Predict with it, move it away, or set "
            "nnUNet_results to another folder."
        )


def write_model_files(workspace: NnunetWorkspace, plans: str, configuration: str, *, fold: str) -> None:
    """Copy plans, dataset.json and fingerprint beside the folds, as in nnU-Net. Equal files stay as they are.

    Args:
        workspace: the workspace.
        plans: the name of the plans.
        configuration: the configuration.
        fold: the fold that is trained now.

    Raises:
        Problems: plans or dataset.json of other folds differ from those here; a line each.
    """
    from nnplug.runtime.files import copy_file
    from nnplug.runtime.outputs import same_json

    folder = workspace.model_folder(plans, configuration)
    copies = {
        workspace.plans(plans): folder / "plans.json",
        workspace.description: folder / "dataset.json",
        workspace.fingerprint: folder / "dataset_fingerprint.json",
    }
    changed = {a: b for a, b in copies.items() if a.is_file() and not (b.is_file() and same_json(a, b))}
    others = sorted(
        other.name for other in folder.glob("fold_*") if other.name != f"fold_{fold}" and any(other.iterdir())
    )
    lines = [
        f"{there}: differs from {source}, and {', '.join(others)} were trained with it. Train them with one file: put "
        "the old one back, or train with other names (-p, -tr)"
        for source, there in changed.items()
        if others and there.is_file() and source != workspace.fingerprint and _decides(source, there, configuration)
    ]
    if lines:
        raise Problems(lines)
    for source, there in changed.items():
        copy_file(source, there)


def _decides(one: Path, other: Path, configuration: str) -> bool:
    """Return whether two files differ for a configuration: plans may have others besides, which do not matter."""
    ours, theirs = (_of_configuration(path, configuration) for path in (one, other))
    return bool(ours != theirs)


def _of_configuration(path: Path, configuration: str) -> Any:
    from nnplug.errors import InvalidFile
    from nnplug.plans.plans import inherit
    from nnplug.runtime.json_files import read_json

    raw = read_json(path)
    configurations = raw.get("configurations") if isinstance(raw, dict) else None
    if not isinstance(configurations, dict):
        return raw
    try:
        own = inherit(configurations, configuration, str(path))
    except InvalidFile:
        own = None
    return {**raw, "configurations": own}


def write_checkpoints(job: TrainingJob) -> None:
    """Write a trained fold's weights also as nnU-Net's checkpoints, which scripts and nnU-Net read."""
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
    """Convert the logits that validation saved to nnU-Net's CASE.npz."""
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
    """Raise unless all folds of the previous stage are validated; a cascade trains on their predictions.

    Raises:
        Problems: folds are not validated, one line each.
    """
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
