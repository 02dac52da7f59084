"""The bundle of an ensemble: it contains the bundles of its members, and the postprocessing of their mean.

Each `members/NAME/` is a complete bundle. `bundle.json` lists the files of all members with their hashes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from nnplug.evaluation.postprocess import RuleRecord
from nnplug.models.bundle import (
    DATASET,
    POSTPROCESSING,
    PREDICTION_KINDS,
    SCHEMA,
    Bundle,
    Contents,
    check_files,
    fill,
    licence_of,
    read_bundle,
)
from nnplug.models.bundle_files import INDEX, check_free, hashes, unpacked_folder, write_packed
from nnplug.runtime.files import atomic_folder
from nnplug.runtime.json_files import read_json, read_object, write_json
from nnplug.runtime.outputs import check_folder
from nnplug.runtime.records import VersionedRecord

MEMBERS = "members"


class EnsembleRecord(VersionedRecord, frozen=True, kw_only=True):
    """The content of `bundle.json` of an ensemble.

    Attributes:
        schema: version of this layout, the same as for single bundles.
        members: names of the members, folders in `members/`, in the order in which they are averaged.
        licence: the licence of the ensemble; None if it is unknown.
        record: the scores by which it was selected.
        sha256: path in the bundle, with "/" -> SHA-256; every file except `bundle.json`.
    """

    NEWEST = SCHEMA
    WHAT = "bundle"

    schema: int = SCHEMA
    members: tuple[str, ...]
    licence: str | None = None
    record: dict[str, Any] = msgspec.field(default_factory=dict)
    sha256: dict[str, str]


@dataclass(frozen=True)
class EnsembleBundle:
    """The verified folder of an ensemble.

    Attributes:
        folder: the folder of the bundle.
        record: the content of its `bundle.json`.
        members: the bundles of the members.
    """

    folder: Path
    record: EnsembleRecord
    members: tuple[Bundle, ...]

    @property
    def postprocessing(self) -> Mapping[str, Any] | None:
        """The fitted rule in the format of `nnplug.evaluation.postprocess`, or None."""
        listed = POSTPROCESSING in self.record.sha256
        return read_object(self.folder / POSTPROCESSING) if listed else None


AnyBundle = Bundle | EnsembleBundle


def pack_ensemble(
    members: Mapping[str, Contents],
    target: Path,
    *,
    postprocessing: Mapping[str, Any] | None = None,
    licence: str | None = None,
    record: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> None:
    """Write the bundle of an ensemble atomically, as a folder, or as a zip file if the name ends in ".zip".

    Args:
        members: name -> contents of its bundle; at least two, with the same labels.
        target: the folder or zip file; an older bundle there is replaced.
        postprocessing: the fitted rule for the mean of all members.
        licence: the licence of the ensemble; None for that of the first member's `dataset.json`.
        record: the scores by which it was selected.
        replace: see `nnplug.models.bundle_files.check_free`.

    Raises:
        NnplugError: `target` must not be replaced, see `nnplug.models.bundle_files.check_free`.
    """
    first = next(iter(members.values())).description

    def write(folder: Path) -> None:
        for name, contents in members.items():
            fill(folder / MEMBERS / name, contents)
        write_json(folder / DATASET, first.raw)
        if postprocessing is not None:
            write_json(folder / POSTPROCESSING, postprocessing)
        EnsembleRecord(
            members=tuple(members),
            licence=licence or licence_of(first),
            record=dict(record or {}),
            sha256=hashes(folder),
        ).write(folder / INDEX)

    write_packed(target, write, replace=replace)


def read_any(path: Path) -> AnyBundle:
    """Return the bundle of a model or an ensemble in a folder, with every file verified.

    Raises:
        InvalidFile, Problems: as in `nnplug.models.bundle.read_bundle`.
    """
    index = path / INDEX
    data = read_json(index) if index.is_file() else None
    if not (isinstance(data, dict) and "members" in data):
        return read_bundle(path)
    record = EnsembleRecord.from_data(data, str(index))
    needed = [DATASET, *(f"{MEMBERS}/{name}/{INDEX}" for name in record.members)]
    check_files(path, record.sha256, needed if record.members else [MEMBERS])
    return EnsembleBundle(path, record, tuple(read_bundle(path / MEMBERS / name) for name in record.members))


@contextmanager
def unpacked_any(path: Path) -> Iterator[AnyBundle]:
    """Yield a verified bundle of a model or an ensemble; a zip file is unpacked while the block runs.

    Raises:
        NnplugError: as in `read_any` and `nnplug.models.bundle_files.unzip`.
    """
    with unpacked_folder(path) as folder:
        yield read_any(folder)


def import_bundle(source: Path, target: Path, *, replace: bool = False) -> AnyBundle:
    """Verify a bundle (folder or zip file), copy its listed files to a folder, atomically, and return the copy.

    Raises:
        NnplugError: `target` must not be replaced (`nnplug.models.bundle_files.check_free`), or is or contains
            `source`; or as in `read_any`.
    """
    check_folder(target, [source])
    check_free(target, replace=replace)
    with unpacked_any(source) as bundle, atomic_folder(target) as folder:
        _copy(bundle, folder)
    return read_any(target)


def is_bundle(path: Path) -> bool:
    """Return whether a path is a folder with the index of a bundle, or a zip file."""
    return (path / INDEX).is_file() or (path.is_file() and path.suffix == ".zip")


def repack(source: Path, target: Path, *, replace: bool = False) -> None:
    """Verify a bundle (folder or zip file), and write it to a folder, or to a file that ends in ".zip", atomically.

    Raises:
        NnplugError: as in `import_bundle`.
    """
    check_folder(target, [source])
    with unpacked_any(source) as bundle:
        write_packed(target, partial(_copy, bundle), replace=replace)


def _copy(bundle: AnyBundle, folder: Path) -> None:
    for name in (INDEX, *bundle.record.sha256):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.folder / name, folder / name)


def members_of(bundle: AnyBundle) -> tuple[Bundle, ...]:
    """Return the models that are averaged; for the bundle of one model, only itself."""
    return bundle.members if isinstance(bundle, EnsembleBundle) else (bundle,)


def requirements(bundle: AnyBundle) -> list[str]:
    """Return the distributions that prediction needs, sorted, with one line for pip each.

    These are the distributions of architectures, preprocessors, normalizers and postprocessors. Planners, trainers and
    other kinds are not needed.
    """
    stages = [stage for member in members_of(bundle) for stage in member.stages]
    providers = [provider for stage in stages for provider in stage.record.providers]
    needed = [provider for provider in providers if provider.kind in PREDICTION_KINDS]
    rules = [rule for part in (bundle, *stages) if (rule := part.postprocessing) is not None]
    needed += [RuleRecord.from_data(rule, POSTPROCESSING).provider for rule in rules]
    return sorted({f"{provider.distribution}=={provider.version}" for provider in needed})
