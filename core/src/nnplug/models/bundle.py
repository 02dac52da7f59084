"""A bundle: a model to keep and to share, as a folder or zip file of safetensors and JSON, with the hash of every file.

Nothing in a bundle can run: it has no pickle, no code and no links. Only files that `bundle.json` lists are read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, Problems
from nnplug.models.bundle_files import INDEX, check_file_name, hashes, problems, unpacked_folder, write_packed
from nnplug.models.start import Start
from nnplug.plans.plans import Plans, read_plans
from nnplug.registry.components import Kind
from nnplug.registry.provenance import Provider
from nnplug.remedies import Action
from nnplug.runtime.json_files import read_json, read_object, write_json
from nnplug.runtime.outputs import check_folder
from nnplug.runtime.records import VersionedRecord
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_record import Precision
from nnplug.workspace.runs import (
    TrainedRun,
    WeightsKind,
    check_alike,
    common_precision,
    merged_providers,
    open_run,
    previous_runs,
)

PREDICTION_KINDS = (Kind.ARCHITECTURE, Kind.PREPROCESSOR, Kind.RESAMPLER, Kind.NORMALIZER, Kind.INFERENCE)
"""The kinds that prediction uses; components of the other kinds need not be installed for it."""

SCHEMA = 1
PLANS = "plans.json"
DATASET = "dataset.json"
POSTPROCESSING = "postprocessing.json"
PREVIOUS = "previous"
"""The folder in the bundle of a cascade with the bundle of the previous stage."""


class BundleRecord(VersionedRecord, frozen=True, kw_only=True):
    """The content of `bundle.json`.

    Attributes:
        schema: version of this layout.
        configuration: the configuration that was trained.
        folds: names of the folds, in the order of their weights.
        weights: "final" or "best" weights of the runs.
        mirror_axes: the spatial axes that are mirrored in training and in prediction.
        providers: the component and distribution that each name meant.
        licence: the licence of the model; None if it is unknown.
        record: fold -> the record of its training, such as the run's `run.json`.
        sha256: path in the bundle, with "/" -> SHA-256; every file except `bundle.json`.
        precision: as in `Contents`.
        start: as in `Contents`.
    """

    NEWEST = SCHEMA
    WHAT = "bundle"

    schema: int = SCHEMA
    configuration: str
    folds: tuple[str, ...]
    weights: WeightsKind
    mirror_axes: tuple[int, ...]
    providers: tuple[Provider, ...]
    licence: str | None = None
    record: dict[str, Any]
    sha256: dict[str, str]
    precision: Precision | None = None
    start: Start | None = None


@dataclass(frozen=True)
class Bundle:
    """The verified folder of a bundle."""

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
        """The fitted rule in the format of `nnplug.evaluation.postprocess`, or None."""
        listed = POSTPROCESSING in self.record.sha256
        return read_object(self.folder / POSTPROCESSING) if listed else None

    @property
    def previous(self) -> Bundle | None:
        """The bundle of the previous stage of a cascade, or None.

        Raises:
            InvalidFile: the plans have a previous stage, but the bundle does not.
        """
        inner = self.folder / PREVIOUS
        if f"{PREVIOUS}/{INDEX}" in self.record.sha256:
            return read_bundle(inner)
        if stage := self.plans.configuration(self.record.configuration).previous_stage:
            raise InvalidFile(f"{inner}: is missing; the model refines predictions of {stage!r}. Export it again.")
        return None

    @property
    def stages(self) -> tuple[Bundle, ...]:
        """This bundle and those of the previous stages; the stage that predicts last comes first.

        Raises:
            InvalidFile: as in `previous`.
        """
        inner = self.previous
        return (self, *(inner.stages if inner else ()))

    def weights(self, fold: str) -> Path:
        """Return the safetensors file of a fold."""
        return self.folder / _weights(fold)


@dataclass(frozen=True)
class Contents:
    """The contents of a bundle.

    Attributes:
        plans: the plans of the training.
        description: the `dataset.json` of the training.
        configuration: the trained configuration.
        folds: fold -> a function that writes its weights as safetensors to a path.
        mirror_axes: the spatial axes that are mirrored in training.
        providers: the component and distribution that each name meant.
        record: fold -> the record of its training, as JSON data.
        weights: "final" or "best".
        postprocessing: the fitted rule, or None.
        licence: the licence of the model; None for `licence` or `license` of `dataset.json`.
        previous: the contents of the previous stage of a cascade.
        precision: the precision of the training, in which a GPU predicts; None if it is not known.
        start: the origin of the weights if they are for a part of the network only; None for a trained model.
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
    precision: Precision | None = None
    start: Start | None = None


def write_bundle(
    runs: Sequence[RunFolder],
    target: Path,
    *,
    weights: WeightsKind = "final",
    postprocessing: Mapping[str, Any] | None = None,
    licence: str | None = None,
    replace: bool = False,
) -> None:
    """Write the bundle of the runs of one configuration, one run per fold.

    In a cascade it also has the final weights of the previous stage.

    Args:
        runs: run folders with equal plans and configuration.
        target: a folder, or a file that ends in ".zip"; an older bundle there is replaced.
        weights: "final" or "best" weights of each run.
        postprocessing: the fitted rule in the format of `nnplug.evaluation.postprocess`.
        licence: the licence of the model; None for that of `dataset.json`.
        replace: see `nnplug.models.bundle_files.check_free`.

    Raises:
        NnplugError: a training is not finished, the runs cannot be averaged, the runs of a previous stage are missing,
            or `target` must not be replaced or contains a run.
    """
    check_folder(target, [run.path for run in runs])
    contents = contents_of([open_run(run.path) for run in runs], weights)
    pack(changed(contents, postprocessing=postprocessing, licence=licence), target, replace=replace)


def contents_of(trained: Sequence[TrainedRun], weights: WeightsKind) -> Contents:
    """Return the contents of the bundle of runs.

    Raises:
        NnplugError: as in `write_bundle`.
    """
    check_alike(trained)
    first = trained[0]
    inner = previous_runs(trained)
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
        precision=common_precision(trained),
    )


def pack(contents: Contents, target: Path, *, replace: bool = False) -> None:
    """Write a bundle atomically, as a folder, or as a zip file if the name ends in ".zip".

    Raises:
        NnplugError: `target` must not be replaced, see `nnplug.models.bundle_files.check_free`.
    """
    write_packed(target, lambda folder: fill(folder, contents), replace=replace)


def read_bundle(path: Path) -> Bundle:
    """Return the bundle in a folder, with every file verified. For a zip file use `unpacked`.

    Raises:
        InvalidFile: the folder is not a bundle, or has a newer schema, or a damaged or unsafe list of files.
        Problems: files are missing, changed, unexpected or links; a line each.
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
    """Raise unless the list of a bundle's files (name -> SHA-256) is safe and complete and the files agree with it.

    Raises:
        InvalidFile: a listed name leads out of the bundle or has a wrong ending, or a needed file is not listed.
        Problems: files are missing, changed, unexpected or links; a line each.
    """
    index = folder / INDEX
    for name in listed:
        check_file_name(name, index)
    if missing := [name for name in needed if name not in listed]:
        raise InvalidFile(f"{index}: lists no {missing[0]}; get the bundle again")
    if lines := list(problems(folder, listed)):
        raise Problems(lines)


@contextmanager
def unpacked(path: Path) -> Iterator[Bundle]:
    """Yield a verified bundle from its folder, or from a zip file that is unpacked while the block runs.

    Raises:
        NnplugError: as in `read_bundle` and `nnplug.models.bundle_files.unzip`.
    """
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
        precision=contents.precision,
        start=contents.start,
    ).write(folder / INDEX)


def licence_of(description: DatasetDescription) -> str | None:
    """Return the licence in `dataset.json`, with either spelling of the key, or None."""
    licence = description.raw.get("licence") or description.raw.get("license")
    return None if licence is None else str(licence)


def _weights(fold: str) -> str:
    return f"fold_{fold}/weights.safetensors"
