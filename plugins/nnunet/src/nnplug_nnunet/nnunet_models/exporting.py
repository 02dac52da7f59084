"""A bundle becomes a model folder with which nnU-Net v2 predicts."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from nnplug.errors import NnplugError
from nnplug.runtime.files import atomic_folder, write_json
from nnplug.stages.bundle import Bundle, unpacked
from nnplug_nnunet.networks import to_nnunet
from nnplug_nnunet.nnunet_models.checkpoint import write_checkpoint
from nnplug_nnunet.nnunet_models.translation import plans_to_nnunet


def export_model(bundle: Path, target: Path) -> None:
    """Write `plans.json`, `dataset.json` and `fold_K/checkpoint_final.pth` as nnU-Net v2 leaves them.

    Args:
        bundle: a bundle, folder or zip.
        target: a folder that does not exist yet, or is empty.

    Raises:
        NnplugError: `target` holds something, or nnU-Net v2 has no such network or normalisation.
    """
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise NnplugError(f"{target}: is there already; choose another folder")
    with unpacked(bundle) as opened, atomic_folder(target) as folder:
        _write(opened, folder)


def _write(bundle: Bundle, folder: Path) -> None:
    record, description = bundle.record, bundle.description
    plans = plans_to_nnunet(bundle.plans, record.configuration, description)
    dropout = bundle.plans.configuration(record.configuration).architecture.options.get("dropout", 0.0)
    write_json(folder / "plans.json", plans)
    write_json(folder / "dataset.json", description.raw)
    for fold in record.folds:
        write_checkpoint(
            folder / f"fold_{fold}" / "checkpoint_final.pth",
            to_nnunet(load_file(bundle.weights(fold)), dropout=bool(dropout)),
            init_args={
                "plans": plans,
                "configuration": record.configuration,
                "fold": int(fold) if fold.isdigit() else fold,
                "dataset_json": dict(description.raw),
            },
            epoch=int(record.record.get(fold, {}).get("epochs", 0)),
            mirror_axes=record.mirror_axes,
        )
