"""Model folders TRAINER__PLANS__CONFIGURATION that nnplug or nnU-Net v2 has trained."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug.errors import NnplugError
from nnplug.workspace.layout import run_folders
from nnplug_nnunetv2_commands.command import Call, Options
from nnplug_nnunetv2_commands.environment import RESULTS
from nnplug_nnunetv2_commands.workspace import model_folder

if TYPE_CHECKING:
    from nnplug.inference.options import PredictOptions
    from nnplug.workspace.runs import WeightsKind


def find_folder(call: Call, options: Options, *, dataset: str, configuration: str) -> Path:
    """Return the model folder that the flags -d, -tr, -p and -c name.

    Raises:
        NnplugError: the folder does not exist; the message lists the existing ones.
    """
    results, name = call.environment.folder(RESULTS), call.environment.dataset(dataset)
    folder = model_folder(results, name, options.tr, options.p, configuration)
    if not folder.is_dir():
        there = ", ".join(sorted(f.name for f in (results / name).glob("*__*__*") if f.is_dir())) or "no model"
        raise NnplugError(f"{folder}: no such model; {results / name} has {there}")
    return folder


def is_ours(folder: Path, folds: Sequence[str]) -> bool:
    """Return whether nnplug trained all of these folds of a model folder; otherwise nnU-Net did, at least one."""
    ours = {run.path.name for run in run_folders(folder)}
    return all(f"fold_{fold}" in ours for fold in folds)


def weights_kind(checkpoint: str) -> WeightsKind:
    """Return the kind of weights in a file such as checkpoint_best.pth."""
    return "best" if checkpoint == "checkpoint_best.pth" else "final"


@contextmanager
def prediction_model(
    call: Call, folder: Path, *, folds: Sequence[str], weights: WeightsKind
) -> Iterator[PredictOptions]:
    """Yield options that name the model of a model folder; other options have their defaults.

    A model of nnU-Net is a temporary bundle, also one of which nnplug has trained some folds: these have checkpoints.

    Args:
        call: gives the plugins.
        folder: a model folder.
        folds: the folds whose logits are averaged.
        weights: the weights after the last epoch, or the best.

    Raises:
        NnplugError: folds are missing or not trained to the end, or nnU-Net's model needs a feature that nnplug lacks.
    """
    from nnplug.inference.options import PredictOptions
    from nnplug_nnunet.nnunet_models import import_model

    check_folds(folder, folds, weights)
    if is_ours(folder, folds):
        yield PredictOptions(models=(folder,), folds=tuple(folds), weights=weights)
        return
    with tempfile.TemporaryDirectory(prefix="nnplug-") as place:
        bundle = Path(place) / "model"
        registry = call.plugins.registry
        import_model(folder, bundle, registry=registry, progress=call.progress, folds=folds, checkpoint=weights)
        yield PredictOptions(models=(bundle,), weights=weights)


def check_folds(folder: Path, folds: Sequence[str], weights: WeightsKind) -> None:
    """Raise unless all folds are there and trained to the end.

    Raises:
        NnplugError: a fold's folder is missing or only begun; the message lists the trained ones.
    """
    begun = {f.name.removeprefix("fold_"): f for f in sorted(folder.glob("fold_*")) if f.is_dir()}
    there = [fold for fold, path in begun.items() if _is_trained(path, weights)]
    remedy = f"Give -f {' '.join(there)}, or train the others." if there else "Train one with nnUNetv2_train."
    if absent := [fold for fold in folds if fold not in begun]:
        raise NnplugError(f"{folder}: has no fold {', '.join(absent)}. {remedy}")
    if unfinished := [fold for fold in folds if fold not in there]:
        raise NnplugError(f"{folder}: fold {', '.join(unfinished)} is not trained to the end. {remedy}")


def _is_trained(fold: Path, weights: WeightsKind) -> bool:
    """Return whether a fold has the weights, of nnplug or nnU-Net."""
    return any((fold / name).is_file() for name in (f"weights_{weights}.safetensors", f"checkpoint_{weights}.pth"))
