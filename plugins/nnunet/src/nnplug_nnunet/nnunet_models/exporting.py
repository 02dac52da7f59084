"""Export of a bundle as a model folder that nnU-Net v2 can predict with."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.models.bundle import Bundle, unpacked
from nnplug.models.bundle_files import refuse_inside_bundle
from nnplug.models.start import refuse_start
from nnplug.models.weights import read_weights
from nnplug.plans.plans import Plans
from nnplug.runtime.files import atomic_folder
from nnplug.runtime.json_files import write_json
from nnplug.runtime.outputs import check_folder
from nnplug_nnunet.networks import to_nnunet
from nnplug_nnunet.nnunet_models.checkpoint import TRAINER, write_checkpoint
from nnplug_nnunet.nnunet_models.primus import trainer_of
from nnplug_nnunet.nnunet_models.translation import plans_to_nnunet


def export_model(bundle: Path, target: Path, *, checkpoints: Sequence[str] = ("final",)) -> None:
    """Write `plans.json`, `dataset.json` and `fold_K/checkpoint_final.pth` in nnU-Net v2's layout.

    Each stage of a cascade gets its own folder TRAINER__PLANS__CONFIGURATION, as in nnU-Net's results.

    Args:
        bundle: a bundle, folder or zip.
        target: a folder that does not exist yet, or is empty.
        checkpoints: names of the files with a fold's weights, "final" or "best". A bundle has one set of weights,
            so all files hold the same: MONAI's converter reads both names.

    Raises:
        NnplugError: `target` is not empty or lies in a bundle, the bundle is only the start of a training, or nnU-Net
            v2 has no such network or normalisation.
    """
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise NnplugError(f"{target}: exists already; choose another folder")
    check_folder(target, [bundle])
    refuse_inside_bundle(target)
    with unpacked(bundle) as opened, atomic_folder(target) as folder:
        refuse_start(bundle, opened.record.start)
        stages = opened.stages
        for stage in stages:
            trainer = trainer_of(stage.plans.configuration(stage.record.configuration).architecture) or TRAINER
            name = f"{trainer}__{stage.plans.name}__{stage.record.configuration}"
            _write(stage, folder / name if len(stages) > 1 else folder, checkpoints)


def export_checkpoint(
    weights: Path,
    target: Path,
    *,
    plans: Plans,
    configuration: str,
    description: DatasetDescription,
    fold: str,
    mirror_axes: tuple[int, ...],
    epochs: int,
) -> None:
    """Write one fold's weights as a checkpoint that nnU-Net v2 can predict with.

    Args:
        weights: nnplug's safetensors file.
        target: the checkpoint, a .pth file.
        plans: plans of the training.
        configuration: the trained configuration.
        description: the `dataset.json`.
        fold: its number as text, or "all".
        mirror_axes: spatial axes mirrored in training.
        epochs: number of trained epochs.

    Raises:
        InvalidFile: nnU-Net v2 has no such network or normalisation.
    """
    network, own = plans.configuration(configuration).architecture, read_weights(weights)
    trainer = trainer_of(network)
    write_checkpoint(
        target,
        to_nnunet(own, dropout=bool(network.options.get("dropout", 0.0))) if trainer is None else own,
        trainer=trainer or TRAINER,
        init_args={
            "plans": plans_to_nnunet(plans, plans.chain(configuration), description),
            "configuration": configuration,
            "fold": int(fold) if fold.isdecimal() else fold,
            "dataset_json": dict(description.raw),
        },
        epoch=epochs,
        mirror_axes=mirror_axes,
    )


def _write(bundle: Bundle, folder: Path, checkpoints: Sequence[str]) -> None:
    record, description, plans = bundle.record, bundle.description, bundle.plans
    write_json(folder / "plans.json", plans_to_nnunet(plans, plans.chain(record.configuration), description))
    write_json(folder / "dataset.json", description.raw)
    for fold in record.folds:
        first, *others = (folder / f"fold_{fold}" / f"checkpoint_{name}.pth" for name in checkpoints)
        export_checkpoint(
            bundle.weights(fold),
            first,
            plans=plans,
            configuration=record.configuration,
            description=description,
            fold=fold,
            mirror_axes=record.mirror_axes,
            epochs=int(record.record.get(fold, {}).get("epochs", 0)),
        )
        for other in others:
            shutil.copyfile(first, other)
