"""A model to keep and to give away: a folder or zip of safetensors and JSON, every file with its hash.

Nothing in a bundle can run: no pickle, no code, no links. What is read is exactly what `bundle.json` lists.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any, Self

from nnplug.dataset.dataset import DatasetDescription
from nnplug.errors import InvalidFile, Problems
from nnplug.models.bundle_files import INDEX, check_name, hashes, problems, unpacked_folder, write_packed
from nnplug.plans.plans import Plans, read_plans
from nnplug.registry.components import Kind
from nnplug.registry.provenance import Provider
from nnplug.remedies import Action
from nnplug.runtime.files import read_json, write_json
from nnplug.runtime.outputs import check_folder
from nnplug.runtime.records import Record
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_record import check_schema
from nnplug.workspace.runs import TrainedRun, WeightsKind, check_alike, merged_providers, open_run, previous_runs

PREDICTION_KINDS = (Kind.ARCHITECTURE, Kind.PREPROCESSOR, Kind.NORMALIZER)
"""The kinds that prediction uses; components of the other kinds need not be installed for it."""

SCHEMA = 1
PLANS = "plans.json"
DATASET = "dataset.json"
POSTPROCESSING = "postprocessing.json"
PREVIOUS = "previous"
"""In the bundle of a cascade: the bundle of the stage before."""


class BundleRecord(Record, frozen=True, kw_only=True):
    """`bundle.json`.

    Attributes:
        schema: version of this layout.
        configuration: the configuration that was trained.
        folds: names of the folds, in the order in which their weights are given.
        weights: "final" or "best" weights of the trainings.
        mirror_axes: spatial axes mirrored in training, and so in prediction.
        providers: which component of which distribution each name meant.
        licence: under which the model may be used, None where nobody said.
        record: fold -> what made it, such as the run's `run.json`.
        sha256: file relative to the bundle, with "/" -> hash; every file except `bundle.json`.
    """

    schema: int = SCHEMA
    configuration: str
    folds: tuple[str, ...]
    weights: WeightsKind
    mirror_axes: tuple[int, ...]
    providers: tuple[Provider, ...]
    licence: str | None = None
    record: dict[str, Any]
    sha256: dict[str, str]

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Build from JSON; raises `InvalidFile` for a newer schema and for what does not belong there."""
        check_schema(data, SCHEMA, where, what="bundle")
        return super().from_data(data, where)


@dataclass(frozen=True)
class Bundle:
    """A bundle's folder, verified."""

    folder: Path
    record: BundleRecord

    @property
    def plans(self) -> Plans:
        """The plans that the model was trained with."""
        return read_plans(self.folder / PLANS)

    @property
    def description(self) -> DatasetDescription:
        """The `dataset.json` that the model was trained on."""
        return DatasetDescription.read(self.folder / DATASET)

    @property
    def postprocessing(self) -> Mapping[str, Any] | None:
        """The fitted rule, as `nnplug.evaluation.postprocess` writes it, or None."""
        listed = POSTPROCESSING in self.record.sha256
        return dict(read_json(self.folder / POSTPROCESSING)) if listed else None

    @property
    def previous(self) -> Bundle | None:
        """The bundle of the stage before, in a cascade.

        Raises:
            InvalidFile: the plans want one and it is not there.
        """
        inner = self.folder / PREVIOUS
        if f"{PREVIOUS}/{INDEX}" in self.record.sha256:
            return read_bundle(inner)
        if stage := self.plans.configuration(self.record.configuration).previous_stage:
            raise InvalidFile(f"{inner}: is missing; the model refines predictions of {stage!r}. Export it again.")
        return None

    @property
    def stages(self) -> tuple[Bundle, ...]:
        """This bundle and those of the stages before, the one that predicts last first; raises as `previous` does."""
        inner = self.previous
        return (self, *(inner.stages if inner else ()))

    def weights(self, fold: str) -> Path:
        """The safetensors file of a fold."""
        return self.folder / _weights(fold)


@dataclass(frozen=True)
class Contents:
    """The contents of a bundle.

    Attributes:
        plans: the plans of the training.
        description: its `dataset.json`.
        configuration: the trained configuration.
        folds: fold -> a function that writes its weights as safetensors to the path it is given.
        mirror_axes: spatial axes mirrored in training.
        providers: which component of which distribution each name meant.
        record: fold -> what made it, as JSON.
        weights: "final" or "best".
        postprocessing: the fitted rule, or None.
        licence: under which the model may be used; the `licence` or `license` of `dataset.json` where None.
        previous: in a cascade, the stage before.
    """

    plans: Plans
    description: DatasetDescription
    configuration: str
    folds: Mapping[str, Callable[[Path], object]]
    mirror_axes: tuple[int, ...]
    providers: tuple[Provider, ...]
    record: Mapping[str, Any] = field(default_factory=dict)
    weights: WeightsKind = "final"
    postprocessing: Mapping[str, Any] | None = None
    licence: str | None = None
    previous: Contents | None = None


def write_bundle(
    runs: Sequence[RunFolder],
    target: Path,
    *,
    weights: WeightsKind = "final",
    postprocessing: Mapping[str, Any] | None = None,
    licence: str | None = None,
    replace: bool = False,
) -> None:
    """Make a bundle of the runs of one training, a fold each, and in a cascade of the previous stage's final weights.

    Args:
        runs: run folders with equal plans and configuration.
        target: a folder, or a file that ends in ".zip"; an older bundle there is replaced.
        weights: which of each run's weights.
        postprocessing: the fitted rule, as `nnplug.evaluation.postprocess` writes it.
        licence: under which the model may be used; that of `dataset.json` where None.
        replace: see `nnplug.models.bundle_files.check_free`.

    Raises:
        NnplugError: a training is not finished, the runs do not belong together, those of a previous stage are not
            beside them, or `target` is something else or holds a run.
    """
    check_folder(target, [run.path for run in runs])
    contents = contents_of([open_run(run.path) for run in runs], weights)
    pack(changed(contents, postprocessing=postprocessing, licence=licence), target, replace=replace)


def contents_of(trained: Sequence[TrainedRun], weights: WeightsKind) -> Contents:
    """Return the contents of the bundle of one training's runs; raises as `write_bundle` does."""
    check_alike(trained)
    first = trained[0]
    inner = previous_runs(first)
    return Contents(
        plans=read_plans(first.folder.plans),
        description=DatasetDescription.read(first.folder.description),
        configuration=first.record.configuration,
        folds={run.fold: partial(shutil.copyfile, run.weights(weights)) for run in trained},
        mirror_axes=first.record.mirror_axes,
        providers=merged_providers(trained),
        record={run.fold: run.record.data() for run in trained},
        weights=weights,
        previous=contents_of(inner, "final") if inner else None,
    )


def pack(contents: Contents, target: Path, *, replace: bool = False) -> None:
    """Write a bundle as a folder, or as a zip where the name ends in ".zip"; whole or not at all.

    Raises:
        NnplugError: `target` is something else, see `nnplug.models.bundle_files.check_free`.
    """
    write_packed(target, lambda folder: fill(folder, contents), replace=replace)


def read_bundle(path: Path) -> Bundle:
    """Open a bundle's folder and verify every file. A zip is opened through `unpacked`.

    Raises:
        InvalidFile: no bundle, a newer schema, or a damaged or unsafe file list.
        Problems: files are missing, changed, unexpected or links; one line each.
    """
    index = path / INDEX
    if not index.is_file():
        what = f"no bundle ({INDEX} is missing)" if path.exists() else "no such bundle"
        raise InvalidFile(f"{path}: {what}", Action.EXPORT_MODEL())
    data = read_json(index)
    if isinstance(data, dict) and "members" in data:
        raise InvalidFile(f"{path}: an ensemble of {', '.join(map(str, data['members']))}; give one of its members/")
    record = BundleRecord.from_data(data, str(index))
    if not record.folds:
        raise InvalidFile(f"{index}: lists no fold; get the bundle again")
    check_files(path, record.sha256, (PLANS, DATASET, *map(_weights, record.folds)))
    return Bundle(path, record)


def check_files(folder: Path, listed: Mapping[str, str], needed: Sequence[str]) -> None:
    """Refuse a bundle whose list is unsafe or incomplete, or whose files are not those listed (name -> SHA-256).

    Raises:
        InvalidFile: a listed name leads out of the bundle or is of a wrong kind, or a needed one is not listed.
        Problems: files are missing, changed, unexpected or links; one line each.
    """
    index = folder / INDEX
    for name in listed:
        check_name(name, index)
    if missing := [name for name in needed if name not in listed]:
        raise InvalidFile(f"{index}: lists no {missing[0]}; get the bundle again")
    if lines := list(problems(folder, listed)):
        raise Problems(lines)


@contextmanager
def unpacked(path: Path) -> Iterator[Bundle]:
    """A verified bundle, from its folder or, for the time of the block, from a zip; raises as `read_bundle` does."""
    with unpacked_folder(path) as folder:
        yield read_bundle(folder)


def fill(folder: Path, contents: Contents) -> None:
    """Write all files of a bundle into a folder."""
    raw = contents.description.raw
    contents.plans.write(folder / PLANS)
    write_json(folder / DATASET, raw)
    if contents.postprocessing is not None:
        write_json(folder / POSTPROCESSING, contents.postprocessing)
    for fold, write in contents.folds.items():
        (folder / _weights(fold)).parent.mkdir()
        write(folder / _weights(fold))
    if contents.previous is not None:
        fill(folder / PREVIOUS, contents.previous)
    BundleRecord(
        configuration=contents.configuration,
        folds=tuple(contents.folds),
        weights=contents.weights,
        mirror_axes=contents.mirror_axes,
        providers=contents.providers,
        licence=contents.licence or licence_of(contents.description),
        record=dict(contents.record),
        sha256=hashes(folder),
    ).write(folder / INDEX)


def licence_of(description: DatasetDescription) -> str | None:
    """Return the licence that `dataset.json` states, in either spelling of the key."""
    licence = description.raw.get("licence") or description.raw.get("license")
    return None if licence is None else str(licence)


def _weights(fold: str) -> str:
    return f"fold_{fold}/weights.safetensors"
