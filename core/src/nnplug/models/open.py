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
class Member:
    """Plans and weights of one network: a part of a model, or a previous stage of one.

    Attributes:
        plans: the plans of the training.
        description: its `dataset.json`.
        configuration: the trained configuration, a name in `plans`.
        weights: a safetensors file per fold; their logits are averaged.
        mirror_axes: spatial axes mirrored in training, of the network's input: 0 is z in 3d and y in 2d.
        providers: which component of which distribution each name meant.
        previous: in a cascade, the member whose label map this one refines.
        unpacked: what keeps the files of a model that was opened from a zip.
    """

    plans: Plans
    description: DatasetDescription
    configuration: str
    weights: tuple[Path, ...]
    mirror_axes: tuple[int, ...]
    providers: tuple[Provider, ...]
    previous: Member | None = None
    unpacked: object = field(default=None, repr=False, compare=False)

    @property
    def stages(self) -> tuple[Member, ...]:
        """This member and the previous stages, the one that predicts last first."""
        return (self, *(self.previous.stages if self.previous else ()))


@dataclass(frozen=True)
class Model:
    """A model on disk. One of several members is an ensemble, which averages their probabilities.

    Attributes:
        members: at least one, all of the same labels and channels.
        postprocessing: the rule for the label maps of all members together, as `nnplug.evaluation.postprocess` writes
            it, or None.
    """

    members: tuple[Member, ...]
    postprocessing: Mapping[str, Any] | None = None

    @property
    def plans(self) -> Plans:
        """The plans of the first member, which go beside predictions."""
        return self.members[0].plans

    @property
    def description(self) -> DatasetDescription:
        """Labels, channels and file ending; those of the first member."""
        return self.members[0].description


def open_model(*paths: Path, folds: Sequence[str] | None = None, weights: WeightsKind = "final") -> Model:
    """Open a model with its postprocessing, or several to be averaged, without the rules that each has for itself.

    Previous stages of a cascade come with it, all their folds with the final weights: what it was trained on.

    Args:
        paths: run folders, configurations' folders with several runs, and bundles (folder or zip), of which one may be
            the bundle of an ensemble.
        folds: the folds of each to use; all where None (the numbered ones where a run on "all" lies beside them).
        weights: those after the last epoch, or those at the best smoothed validation Dice.

    Raises:
        NnplugError: there is no model, a training is not finished, or a fold is not there; the message lists what is.
            Or the models have other labels or channels.
    """
    opened = [_open_path(path, folds, weights) for path in paths]
    members = [member for model in opened for member in model.members]
    for member in members[1:]:
        _check_comparable(member.description, members[0].description)
    return opened[0] if len(opened) == 1 else Model(tuple(members))


def open_member(path: Path) -> Member:
    """Open the only member of a model, all its folds with the final weights.

    Raises:
        NnplugError: as `open_model`; or it is an ensemble.
    """
    members = open_model(path).members
    if len(members) > 1:
        raise NnplugError(f"{path}: is an ensemble of {len(members)} models; give one of its members/")
    return members[0]


def _open_path(path: Path, folds: Sequence[str] | None, weights: WeightsKind) -> Model:
    if path.is_file():
        unpacked = _Unpacked(path)
        found = _open_path(unpacked.folder, folds, weights)
        return replace(found, members=tuple(replace(member, unpacked=unpacked) for member in found.members))
    if not (path / INDEX).is_file():
        return Model((_open_runs(find_runs(path), folds, weights),))
    bundle = read_any(path)
    return Model(tuple(_open_bundle(b, folds, weights) for b in members_of(bundle)), bundle.postprocessing)


def _check_comparable(one: DatasetDescription, other: DatasetDescription) -> None:
    for what in ("labels", "channel_names"):
        ours, theirs = one.raw[what], other.raw[what]
        if getattr(one, what) != getattr(other, what):
            raise NnplugError(f"models of different {what} cannot be averaged: {ours} and {theirs}")


def find_plans(path: Path) -> Plans:
    """The plans of a plans file, run or bundle; raises as `read_plans` and `open_member` do."""
    return read_plans(path) if path.suffix == ".json" else open_member(path).plans


def open_stage(run: Path, *, weights: WeightsKind = "final") -> Model:
    """Open a run without the previous stages of a cascade, to predict what they have predicted already."""
    return Model((_member([open_run(run)], weights),))


class _Unpacked:
    """The folder of an unpacked zip, removed with the last member that was opened from it."""

    def __init__(self, archive: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nnplug-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        unzip(archive, self.folder)


def _open_bundle(bundle: Bundle, folds: Sequence[str] | None, weights: WeightsKind) -> Member:
    folder = bundle.folder
    record = bundle.record
    if record.weights != weights and weights == "best":
        raise NnplugError(f"{folder}: holds the {record.weights} weights only", Action.EXPORT_BEST())
    chosen = _choose(record.folds, folds, folder)
    inner = bundle.previous
    return Member(
        plans=bundle.plans,
        description=bundle.description,
        configuration=record.configuration,
        weights=tuple(bundle.weights(fold) for fold in chosen),
        mirror_axes=record.mirror_axes,
        providers=record.providers,
        previous=None if inner is None else _open_bundle(inner, None, "final"),
    )


def _open_runs(runs: Sequence[TrainedRun], folds: Sequence[str] | None, weights: WeightsKind) -> Member:
    by_fold = {run.fold: run for run in runs}
    parent = runs[0].folder.path if len(runs) == 1 else runs[0].folder.path.parent
    chosen = [by_fold[fold] for fold in _choose(tuple(by_fold), folds, parent)]
    check_alike(chosen)
    inner = previous_runs(chosen[0])
    return replace(_member(chosen, weights), previous=_open_runs(inner, None, "final") if inner else None)


def _member(runs: Sequence[TrainedRun], weights: WeightsKind) -> Member:
    first = runs[0]
    return Member(
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
