"""A trained model, wherever it lies: a run, the folds of a configuration, or a bundle."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nnplug.data.dataset import DatasetDescription
from nnplug.data.plans import Plans, read_plans
from nnplug.data.record import RunRecord
from nnplug.data.workspace import RunFolder
from nnplug.errors import NnplugError
from nnplug.provenance import Provider
from nnplug.stages.bundle import INDEX, read_bundle, unzip

WeightsKind = Literal["final", "best"]


@dataclass(frozen=True)
class Model:
    """What prediction needs. The files of a model opened from a zip live as long as this object.

    Attributes:
        plans: the plans of the training.
        description: its `dataset.json`.
        configuration: the trained configuration, a name in `plans`.
        weights: a safetensors file per fold; their logits are averaged.
        mirror_axes: spatial axes mirrored in training, of the network's input: 0 is z in 3d and y in 2d.
        providers: which component of which distribution each name meant.
        postprocessing: the fitted rule as `nnplug.stages.postprocess` writes it, or None.
    """

    plans: Plans
    description: DatasetDescription
    configuration: str
    weights: tuple[Path, ...]
    mirror_axes: tuple[int, ...]
    providers: tuple[Provider, ...]
    postprocessing: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class TrainedRun:
    """A run folder with its record."""

    folder: RunFolder
    record: RunRecord

    @property
    def fold(self) -> str:
        """The fold's number as text, or "all"."""
        return str(self.record.fold)

    def weights(self, kind: WeightsKind) -> Path:
        """The weights file.

        Raises:
            NnplugError: it is not there because the training has not come so far.
        """
        file = self.folder.final_weights if kind == "final" else self.folder.best_weights
        if not file.is_file():
            hint = " or use the best weights so far" if kind == "final" and self.folder.best_weights.is_file() else ""
            raise NnplugError(
                f"{self.folder.path}: training is not finished ({file.name} is missing). Run nnplug train again, "
                f"which goes on where it was{hint}."
            )
        return file


def open_model(path: Path, *, folds: Sequence[str] | None = None, weights: WeightsKind = "final") -> Model:
    """Open a run folder, a configuration's folder with several runs, or a bundle (folder or zip).

    Args:
        path: what to open.
        folds: the folds to use; all where None (the numbered ones where a run on "all" lies beside them).
        weights: those after the last epoch, or those at the best smoothed validation Dice.

    Raises:
        NnplugError: there is no model, a training is not finished, or a fold is not there; the message lists what is.
    """
    if path.is_file():
        return _open_zip(path, folds, weights)
    if (path / INDEX).is_file():
        return _open_bundle(path, folds, weights)
    return _open_runs(find_runs(path), folds, weights)


def find_runs(path: Path) -> tuple[TrainedRun, ...]:
    """The run at `path`, or the runs in its `fold_*` folders, by number.

    Raises:
        NnplugError: there is none.
    """
    folders = [path] if (path / "run.json").is_file() else sorted(path.glob("fold_*"), key=_fold_order)
    runs = tuple(
        TrainedRun(RunFolder(f), RunRecord.read(f / "run.json")) for f in folders if (f / "run.json").is_file()
    )
    if not runs:
        raise NnplugError(f"{path}: {_no_model(path)}")
    return runs


def _open_zip(archive: Path, folds: Sequence[str] | None, weights: WeightsKind) -> Model:
    folder = Path(tempfile.mkdtemp(prefix="nnplug-"))
    try:
        unzip(archive, folder)
        model = _open_bundle(folder, folds, weights)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
    return model


def _open_bundle(folder: Path, folds: Sequence[str] | None, weights: WeightsKind) -> Model:
    bundle = read_bundle(folder)
    record = bundle.record
    if record.weights != weights and weights == "best":
        raise NnplugError(
            f"{folder}: holds the {record.weights} weights only; export the best with nnplug model export"
        )
    chosen = _choose(record.folds, folds, folder)
    return Model(
        plans=bundle.plans,
        description=bundle.description,
        configuration=record.configuration,
        weights=tuple(bundle.weights(fold) for fold in chosen),
        mirror_axes=record.mirror_axes,
        providers=record.providers,
        postprocessing=bundle.postprocessing,
    )


def _open_runs(runs: Sequence[TrainedRun], folds: Sequence[str] | None, weights: WeightsKind) -> Model:
    by_fold = {run.fold: run for run in runs}
    parent = runs[0].folder.path if len(runs) == 1 else runs[0].folder.path.parent
    chosen = [by_fold[fold] for fold in _choose(tuple(by_fold), folds, parent)]
    check_alike(chosen)
    first = chosen[0]
    return Model(
        plans=read_plans(first.folder.plans),
        description=DatasetDescription.read(first.folder.description),
        configuration=first.record.configuration,
        weights=tuple(run.weights(weights) for run in chosen),
        mirror_axes=first.record.mirror_axes,
        providers=merged_providers(chosen),
    )


def check_alike(runs: Sequence[TrainedRun]) -> None:
    """Refuse runs that cannot be averaged.

    Raises:
        NnplugError: two runs have other plans, another configuration or other mirror axes.
    """
    first = runs[0]
    for run in runs[1:]:
        for what in ("plans_digest", "configuration", "mirror_axes"):
            ours, theirs = getattr(run.record, what), getattr(first.record, what)
            if ours != theirs:
                raise NnplugError(
                    f"{run.folder.path}: {what} is {ours!r}, but {theirs!r} in {first.folder.path}; "
                    "only folds of one training can be used together"
                )


def merged_providers(runs: Sequence[TrainedRun]) -> tuple[Provider, ...]:
    """The providers of all runs, each once."""
    return tuple(dict.fromkeys(provider for run in runs for provider in run.record.providers))


def _choose(there: Sequence[str], asked: Sequence[str] | None, where: Path) -> Sequence[str]:
    if asked is None:
        return [fold for fold in there if fold != "all"] or there
    if absent := [fold for fold in asked if fold not in there]:
        raise NnplugError(f"{where}: has no fold {absent[0]!r}; it has {', '.join(there)}")
    return list(dict.fromkeys(asked))


def _fold_order(folder: Path) -> tuple[int, str]:
    number = folder.name.removeprefix("fold_")
    return (int(number), "") if number.isdigit() else (1 << 31, number)


def _no_model(path: Path) -> str:
    if not path.exists():
        return "no such file or folder; give a run, a folder of runs or a bundle"
    if any(path.glob("fold_*/checkpoint_*.pth")):
        return "a model of nnU-Net v2; make a bundle of it with nnplug model import-nnunet"
    return "no model; give a run (it has run.json), the folder of a configuration's runs, or a bundle"
