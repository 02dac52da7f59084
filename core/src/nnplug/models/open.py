"""Open a trained model: a run, the folds of a configuration, or a bundle."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError, rename
from nnplug.models.bundle import Bundle
from nnplug.models.bundle_files import INDEX, unzip
from nnplug.models.ensemble_bundle import members_of, read_any
from nnplug.models.start import Start, refuse_start
from nnplug.plans.plans import Plans, read_plans
from nnplug.registry.provenance import Provider
from nnplug.remedies import Action
from nnplug.workspace.run_record import Precision
from nnplug.workspace.runs import (
    TrainedRun,
    WeightsKind,
    check_alike,
    common_precision,
    default_folds,
    find_runs,
    merged_providers,
    open_run,
    previous_runs,
)


@dataclass(frozen=True)
class Member:
    """The plans and weights of one network: a part of a model, or a previous stage.

    Attributes:
        plans: the plans of the training.
        description: the `dataset.json` of the training.
        configuration: the name of the trained configuration.
        weights: one safetensors file per fold; the logits of folds are averaged.
        mirror_axes: the spatial axes of the network's input that are mirrored in training: 0 is z in 3d and y in 2d.
        providers: the component and distribution that each name meant.
        previous: in a cascade, the member of the previous stage.
        unpacked: the temporary folder of a model that was opened from a zip file.
        precision: the precision of the training, in which a GPU predicts; None if it is not known.
        folds: the names of the folds, in the order of `weights`; empty if they are not known.
        start: the origin of weights that are for a part of the network only; None for a trained model.
    """

    plans: Plans
    description: DatasetDescription
    configuration: str
    weights: tuple[Path, ...]
    mirror_axes: tuple[int, ...]
    providers: tuple[Provider, ...]
    previous: Member | None = None
    unpacked: object = field(default=None, repr=False, compare=False)
    precision: Precision | None = None
    folds: tuple[str, ...] = ()
    start: Start | None = None

    @property
    def stages(self) -> tuple[Member, ...]:
        """This member and its previous stages; the stage that predicts last comes first."""
        return (self, *(self.previous.stages if self.previous else ()))


@dataclass(frozen=True)
class Model:
    """A model on disk. A model with several members is an ensemble, which averages their probabilities.

    Attributes:
        members: at least one, all with the same labels and channels.
        postprocessing: the rule for the label maps of all members together, in the format of
            `nnplug.evaluation.postprocess`, or None.
        left_out: a line for each fold that is left out because its training is not finished.
    """

    members: tuple[Member, ...]
    postprocessing: Mapping[str, Any] | None = None
    left_out: tuple[str, ...] = ()

    @property
    def plans(self) -> Plans:
        """The plans of the first member, which are written with predictions."""
        return self.members[0].plans

    @property
    def description(self) -> DatasetDescription:
        """The labels, channels and file ending of the first member."""
        return self.members[0].description


def open_model(*paths: Path, folds: Sequence[str] | None = None, weights: WeightsKind = "final") -> Model:
    """Return a model with its postprocessing; or several models as an ensemble, without their postprocessing.

    Previous stages of a cascade are included, with the final weights of all folds, on whose predictions it was trained.

    Args:
        paths: run folders, configurations' folders with several runs, and bundles (folder or zip file); one of them may
            be the bundle of an ensemble.
        folds: the folds of each model; None for all numbered folds that are trained, or else the fold "all".
        weights: "final" (after the last epoch) or "best" (at the best smoothed validation Dice).

    Raises:
        NnplugError: there is no model, a training is not finished, or a fold is missing (the message lists the existing
            folds); or the models differ in labels or channels, or one is only a start of a training.
    """
    opened = [_open_path(path, folds, weights) for path in paths]
    for path, model in zip(paths, opened, strict=True):
        refuse_start(path, model.members[0].start)
    members = [member for model in opened for member in model.members]
    for member in members[1:]:
        _check_comparable(member.description, members[0].description)
    if len(opened) == 1:
        return opened[0]
    return Model(tuple(members), left_out=tuple(line for model in opened for line in model.left_out))


def open_member(path: Path) -> Member:
    """Return the only member of a model, or a start of a training, with the final weights of all folds.

    Raises:
        NnplugError: as in `open_model`, except for a start; or the model is an ensemble.
    """
    members = _open_path(path, None, "final").members
    if len(members) > 1:
        raise NnplugError(f"{path}: is an ensemble of {len(members)} models; give one of its members/")
    return members[0]


def _open_path(path: Path, folds: Sequence[str] | None, weights: WeightsKind) -> Model:
    if path.suffix == ".safetensors" and path.is_file():
        raise NnplugError(f"{path}: has weights alone; give the folder of the run or bundle, {path.parent}")
    if path.is_file():
        unpacked = _Unpacked(path)
        try:
            found = _open_path(unpacked.folder, folds, weights)
        except NnplugError as error:
            rename(error, str(unpacked.folder), str(path))
            raise
        return replace(found, members=tuple(replace(member, unpacked=unpacked) for member in found.members))
    if not (path / INDEX).is_file():
        runs, left_out = _trained(find_runs(path), weights) if folds is None else (find_runs(path), ())
        return Model((_open_runs(runs, folds, weights),), left_out=left_out)
    bundle = read_any(path)
    return Model(tuple(_open_bundle(b, folds, weights) for b in members_of(bundle)), bundle.postprocessing)


def _check_comparable(one: DatasetDescription, other: DatasetDescription) -> None:
    for what in ("labels", "channel_names"):
        ours, theirs = one.raw[what], other.raw[what]
        if getattr(one, what) != getattr(other, what):
            raise NnplugError(f"models of different {what} cannot be averaged: {ours} and {theirs}")


def find_plans(path: Path) -> Plans:
    """Return the plans in a plans file, run or bundle.

    Raises:
        NnplugError: as in `read_plans` and `open_member`.
    """
    return read_plans(path) if path.suffix == ".json" else open_member(path).plans


def open_stage(run: Path, *, weights: WeightsKind = "final") -> Model:
    """Return the model of a run without previous stages, for cases that the previous stages have already predicted."""
    return Model((_member([open_run(run)], weights),))


class _Unpacked:
    """The folder of an unpacked zip file. It is removed with the last member that was opened from it."""

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
        precision=record.precision,
        folds=tuple(chosen),
        start=record.start,
    )


def _trained(runs: tuple[TrainedRun, ...], weights: WeightsKind) -> tuple[tuple[TrainedRun, ...], tuple[str, ...]]:
    """Return the runs that have the weights, and a line for each other; all runs if none has them."""
    ready = tuple(run for run in runs if run.has_weights(weights))
    if not ready:
        return runs, ()
    names = ", ".join(run.fold for run in ready)
    return ready, tuple(
        f"{run.folder.path}: its training is not finished; it is left out, and fold {names} taken"
        for run in runs
        if run not in ready
    )


def _open_runs(runs: Sequence[TrainedRun], folds: Sequence[str] | None, weights: WeightsKind) -> Member:
    by_fold = {run.fold: run for run in runs}
    parent = runs[0].folder.path if len(runs) == 1 else runs[0].folder.path.parent
    chosen = [by_fold[fold] for fold in _choose(tuple(by_fold), folds, parent)]
    check_alike(chosen)
    inner = previous_runs(chosen)
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
        precision=common_precision(runs),
        folds=tuple(run.fold for run in runs),
    )


def _choose(there: Sequence[str], asked: Sequence[str] | None, where: Path) -> Sequence[str]:
    if asked is None:
        return default_folds(there)
    if absent := [fold for fold in asked if fold not in there]:
        raise NnplugError(f"{where}: has no fold {absent[0]!r}; it has {', '.join(there)}")
    return list(dict.fromkeys(asked))
