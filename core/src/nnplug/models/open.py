"""A trained model, wherever it lies: a run, the folds of a configuration, or a bundle."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.models.bundle import Bundle
from nnplug.models.bundle_files import INDEX, unzip
from nnplug.models.ensemble_bundle import members_of, read_any
from nnplug.plans.plans import Plans, read_plans
from nnplug.registry.provenance import Provider
from nnplug.remedies import Action
from nnplug.workspace.runs import (
    TrainedRun,
    WeightsKind,
    check_alike,
    default_folds,
    find_runs,
    merged_providers,
    open_run,
    previous_runs,
)


@dataclass(frozen=True)
class Model:
    """What prediction needs.

    Attributes:
        plans: the plans of the training.
        description: its `dataset.json`.
        configuration: the trained configuration, a name in `plans`.
        weights: a safetensors file per fold; their logits are averaged.
        mirror_axes: spatial axes mirrored in training, of the network's input: 0 is z in 3d and y in 2d.
        providers: which component of which distribution each name meant.
        postprocessing: the fitted rule as `nnplug.evaluation.postprocess` writes it, or None.
        previous: in a cascade, the model whose label map this one refines.
        unpacked: what keeps the files of a model that was opened from a zip.
    """

    plans: Plans
    description: DatasetDescription
    configuration: str
    weights: tuple[Path, ...]
    mirror_axes: tuple[int, ...]
    providers: tuple[Provider, ...]
    postprocessing: Mapping[str, Any] | None = None
    previous: Model | None = None
    unpacked: object = field(default=None, repr=False, compare=False)

    @property
    def stages(self) -> tuple[Model, ...]:
        """This model and the previous stages, the one that predicts last first."""
        return (self, *(self.previous.stages if self.previous else ()))


@dataclass(frozen=True)
class Models:
    """Models whose probabilities are averaged; one is no exception.

    Attributes:
        members: at least one, all of the same labels and channels.
        postprocessing: the rule for what they say together, as `nnplug.evaluation.postprocess` writes it, or None.
    """

    members: tuple[Model, ...]
    postprocessing: Mapping[str, Any] | None = None


def open_models(paths: Sequence[Path], *, folds: Sequence[str] | None = None, weights: WeightsKind = "final") -> Models:
    """Open one model with its postprocessing, or several to be averaged, without the rules that each has for itself.

    Args:
        paths: runs, configurations' folders and bundles; one may be the bundle of an ensemble.
        folds: as in `open_model`, of each.
        weights: as in `open_model`, of each.

    Raises:
        NnplugError: as `open_model`, or the models have other labels or channels.
    """
    opened = [_open_any(path, folds, weights) for path in paths]
    models = [model for found in opened for model in found.members]
    for model in models[1:]:
        _check_comparable(model.description, models[0].description)
    return Models(tuple(models), opened[0].postprocessing if len(opened) == 1 else None)


def _open_any(path: Path, folds: Sequence[str] | None, weights: WeightsKind) -> Models:
    if path.is_file():
        unpacked = _Unpacked(path)
        found = _open_any(unpacked.folder, folds, weights)
        return replace(found, members=tuple(replace(model, unpacked=unpacked) for model in found.members))
    if not (path / INDEX).is_file():
        return Models((_open_runs(find_runs(path), folds, weights),))
    bundle = read_any(path)
    return Models(tuple(_open_bundle(b, folds, weights) for b in members_of(bundle)), bundle.postprocessing)


def open_model(path: Path, *, folds: Sequence[str] | None = None, weights: WeightsKind = "final") -> Model:
    """Open a run folder, a configuration's folder with several runs, or a bundle (folder or zip).

    Previous stages of a cascade come with it, all their folds with the final weights: what it was trained on.

    Args:
        path: what to open.
        folds: the folds to use; all where None (the numbered ones where a run on "all" lies beside them).
        weights: those after the last epoch, or those at the best smoothed validation Dice.

    Raises:
        NnplugError: there is no model, a training is not finished, or a fold is not there; the message lists what is.
    """
    found = _open_any(path, folds, weights)
    if len(found.members) > 1:
        raise NnplugError(f"{path}: is an ensemble of {len(found.members)} models; give one of its members/")
    return found.members[0]


def _check_comparable(one: DatasetDescription, other: DatasetDescription) -> None:
    for what in ("labels", "channel_names"):
        ours, theirs = one.raw[what], other.raw[what]
        if getattr(one, what) != getattr(other, what):
            raise NnplugError(f"models of different {what} cannot be averaged: {ours} and {theirs}")


def find_plans(path: Path) -> Plans:
    """The plans of a plans file, run or bundle; raises as `read_plans` and `open_model` do."""
    return read_plans(path) if path.suffix == ".json" else open_model(path).plans


def open_stage(run: Path, *, weights: WeightsKind = "final") -> Model:
    """Open a run without the previous stages of a cascade, to predict what they have predicted already."""
    return _model([open_run(run)], weights)


class _Unpacked:
    """The folder of an unpacked zip, removed with the last model that was opened from it."""

    def __init__(self, archive: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nnplug-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        unzip(archive, self.folder)


def _open_bundle(bundle: Bundle, folds: Sequence[str] | None, weights: WeightsKind) -> Model:
    folder = bundle.folder
    record = bundle.record
    if record.weights != weights and weights == "best":
        raise NnplugError(f"{folder}: holds the {record.weights} weights only", Action.EXPORT_BEST())
    chosen = _choose(record.folds, folds, folder)
    inner = bundle.previous
    return Model(
        plans=bundle.plans,
        description=bundle.description,
        configuration=record.configuration,
        weights=tuple(bundle.weights(fold) for fold in chosen),
        mirror_axes=record.mirror_axes,
        providers=record.providers,
        postprocessing=bundle.postprocessing,
        previous=None if inner is None else _open_bundle(inner, None, "final"),
    )


def _open_runs(runs: Sequence[TrainedRun], folds: Sequence[str] | None, weights: WeightsKind) -> Model:
    by_fold = {run.fold: run for run in runs}
    parent = runs[0].folder.path if len(runs) == 1 else runs[0].folder.path.parent
    chosen = [by_fold[fold] for fold in _choose(tuple(by_fold), folds, parent)]
    check_alike(chosen)
    inner = previous_runs(chosen[0])
    return replace(_model(chosen, weights), previous=_open_runs(inner, None, "final") if inner else None)


def _model(runs: Sequence[TrainedRun], weights: WeightsKind) -> Model:
    first = runs[0]
    return Model(
        plans=read_plans(first.folder.plans),
        description=DatasetDescription.read(first.folder.description),
        configuration=first.record.configuration,
        weights=tuple(run.weights(weights) for run in runs),
        mirror_axes=first.record.mirror_axes,
        providers=merged_providers(runs),
    )


def _choose(there: Sequence[str], asked: Sequence[str] | None, where: Path) -> Sequence[str]:
    if asked is None:
        return default_folds(there)
    if absent := [fold for fold in asked if fold not in there]:
        raise NnplugError(f"{where}: has no fold {absent[0]!r}; it has {', '.join(there)}")
    return list(dict.fromkeys(asked))
