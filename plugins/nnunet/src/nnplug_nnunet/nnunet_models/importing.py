"""Import of a model folder of nnU-Net v2 as a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from safetensors.torch import save_file

from nnplug.contracts.kinds import INFERENCE
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.readers import Readers
from nnplug.models.bundle import Contents, pack
from nnplug.models.bundle_files import check_free
from nnplug.plans.plans import Plans
from nnplug.preparation.planned import planned_component
from nnplug.preparation.preprocessing import planned_preprocessor
from nnplug.registry.components import Kind, Registry
from nnplug.registry.provenance import Provider, record
from nnplug.remedies import Action
from nnplug.runtime.files import give_default_permissions
from nnplug.runtime.json_files import read_json
from nnplug.runtime.outputs import check_folder
from nnplug.runtime.progress import Progress
from nnplug_nnunet.nnunet_models.checkpoint import Checkpoint, read_checkpoint
from nnplug_nnunet.nnunet_models.primus import trained_network
from nnplug_nnunet.nnunet_models.translation import described_reader, plans_from_nnunet


def import_model(
    model: Path,
    target: Path,
    *,
    registry: Registry,
    progress: Progress,
    folds: Sequence[str] | None = None,
    checkpoint: Literal["final", "best"] = "final",
    previous: Path | None = None,
    replace: bool = False,
) -> None:
    """Write a bundle from a folder that nnU-Net v2 has trained.

    The bundle of a cascade includes the previous stage: the final checkpoints of all its folds, with which nnU-Net
    predicts.

    Args:
        model: the folder with `plans.json`, `dataset.json` and `fold_*`.
        target: a folder, or a file that ends in ".zip".
        registry: the installed components, to look up the network and the normalizers.
        progress: receives notices of configurations that nnplug cannot represent.
        folds: the folds to import; None for all with such a checkpoint (only the numbered ones if there are any).
        checkpoint: the last epoch ("final") or the best one.
        previous: the folder of a cascade's previous stage; None for the one beside `model` in nnU-Net's layout.
        replace: see `nnplug.models.bundle_files.check_free`.

    Raises:
        NnplugError: a file is missing, unsafe or damaged, or needs a feature that nnplug lacks; the message names it.
    """
    check_folder(target, [model] if previous is None else [model, previous])
    check_free(target, replace=replace)
    contents = _contents(model, registry, progress, folds, checkpoint)
    stage = contents.plans.configuration(contents.configuration).previous_stage
    if stage is not None:
        inner = _contents(_previous(model, stage, previous), registry, progress, None, "final")
        _check_stage(inner, stage, previous or model)
        contents = changed(contents, previous=inner)
    pack(contents, target, replace=replace)


def _previous(model: Path, stage: str, given: Path | None) -> Path:
    """Return the folder of the previous stage: TRAINER__PLANS__STAGE beside TRAINER__PLANS__CONFIGURATION."""
    beside = model.resolve().parent / f"{model.resolve().name.rpartition('__')[0]}__{stage}"
    if given is None and not beside.is_dir():
        raise NnplugError(
            f"{model}: refines predictions of {stage!r}, whose folder {beside} is not there",
            Action.GIVE_PREVIOUS_STAGE(),
        )
    return given or beside


def _check_stage(contents: Contents, stage: str, where: Path) -> None:
    if contents.configuration != stage:
        raise InvalidFile(
            f"{where}: needs predictions of {stage!r}, not of {contents.configuration!r}; give its folder"
        )


def _contents(
    model: Path,
    registry: Registry,
    progress: Progress,
    folds: Sequence[str] | None,
    checkpoint: Literal["final", "best"],
) -> Contents:
    checkpoints = {fold: read_checkpoint(file) for fold, file in _files(model, folds, checkpoint).items()}
    _check_alike(checkpoints)
    first = next(iter(checkpoints.values()))
    raw = read_json(model / "plans.json")
    plans, notes = plans_from_nnunet(raw, first.configuration, str(model / "plans.json"))
    for note in notes:
        progress.notice(note)
    plans = _with_trained_network(plans, first)
    plans = _with_providers(plans, first.configuration, registry)
    readers, where = Readers.of(registry), str(model / "plans.json")
    description = described_reader(raw, DatasetDescription.read(model / "dataset.json"), readers, where)
    reader = description.readers(readers, where).entry(Path(f"image{description.file_ending}"))
    network = _network(plans, first.configuration, description, registry)
    return Contents(
        plans=plans,
        description=description,
        configuration=first.configuration,
        folds={fold: partial(_save, c, network) for fold, c in checkpoints.items()},
        mirror_axes=first.mirror_axes,
        providers=(*plans.providers, Provider.of(reader)),
        record={fold: _origin(c, raw) for fold, c in checkpoints.items()},
        weights=checkpoint,
    )


def _files(model: Path, folds: Sequence[str] | None, checkpoint: str) -> dict[str, Path]:
    """Return fold -> checkpoint; as in nnU-Net, "all" is used only if there are no numbered folds."""
    name = f"checkpoint_{checkpoint}.pth"
    there = {file.parent.name.removeprefix("fold_"): file for file in sorted(model.glob(f"fold_*/{name}"))}
    if not there:
        raise NnplugError(f"{model}: no fold_*/{name}; give the folder that holds plans.json and the folds")
    if absent := [fold for fold in folds or () if fold not in there]:
        raise NnplugError(f"{model}: fold {absent[0]!r} has no {name}; there are {', '.join(there)}")
    chosen = folds or [fold for fold in there if fold != "all"] or ["all"]
    return {fold: there[fold] for fold in chosen}


def _check_alike(checkpoints: dict[str, Checkpoint]) -> None:
    first = next(iter(checkpoints.values()))
    for other in checkpoints.values():
        for what in ("configuration", "mirror_axes"):
            if getattr(other, what) != getattr(first, what):
                raise InvalidFile(
                    f"{other.path}: {what} is {getattr(other, what)!r}, but {getattr(first, what)!r} in {first.path}; "
                    "only folds of one training make a model"
                )


def _with_trained_network(plans: Plans, checkpoint: Checkpoint) -> Plans:
    """Return the plans with the network that the checkpoint is for: trainers of Primus take none from the plans."""
    name = checkpoint.configuration
    planned = plans.configuration(name)
    network = trained_network(checkpoint.weights, planned.patch_size, str(checkpoint.path))
    if network is None:
        return plans
    trained = msgspec.structs.replace(planned, architecture=network)
    return msgspec.structs.replace(plans, configurations={**plans.configurations, name: trained})


def _with_providers(plans: Plans, trained: str, registry: Registry) -> Plans:
    """Record the installed network, preprocessor, resampler, normalizers and inference that it predicts with."""
    configuration = plans.configuration(trained)
    network = registry.get(Kind.ARCHITECTURE, configuration.architecture.name)
    normalizers = [registry.get(Kind.NORMALIZER, n.name) for n in configuration.normalization]
    preprocessor, _ = planned_preprocessor(plans, registry)
    inference, _ = planned_component(INFERENCE, plans, registry)
    resampler = plans.choices.get(Kind.RESAMPLER)
    resamplers = [] if resampler is None else [registry.get(Kind.RESAMPLER, resampler.name)]
    entries = [network, preprocessor, *resamplers, *normalizers, inference]
    return msgspec.structs.replace(plans, providers=record(entries))


def _network(plans: Plans, trained: str, description: DatasetDescription, registry: Registry) -> torch.nn.Module:
    configuration = plans.configuration(trained)
    choice = configuration.architecture
    network: torch.nn.Module = registry.create(Kind.ARCHITECTURE, choice.name, choice.options).build(
        channels=configuration.input_channels(description), outputs=description.labels.outputs
    )
    return network


def _save(checkpoint: Checkpoint, network: torch.nn.Module, target: Path) -> None:
    """Save the weights in the network's layout.

    Loading into the network checks names and shapes, and drops nnU-Net's repeated names.
    """
    try:
        network.load_state_dict(dict(checkpoint.weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise InvalidFile(f"{checkpoint.path}: does not fit the network of the plans ({reason})") from error
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, target)
    give_default_permissions(target)


def _origin(checkpoint: Checkpoint, raw: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": "nnU-Net v2",
        "checkpoint": checkpoint.path.name,
        "trainer": checkpoint.trainer,
        "epochs": checkpoint.epoch,
        "planner": str(raw.get("experiment_planner_used")),
        "plans": str(raw.get("plans_name")),
    }
