"""The bundle of an ensemble: bundles of its members inside one, with the postprocessing of what they say together.

`members/NAME/` are whole bundles, each usable alone; `bundle.json` lists every file of all of them with its hash.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

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
from nnplug.runtime.files import atomic_folder, read_json, write_json
from nnplug.runtime.outputs import check_folder
from nnplug.runtime.records import Record
from nnplug.workspace.run_record import check_schema

MEMBERS = "members"


class EnsembleRecord(Record, frozen=True, kw_only=True):
    """`bundle.json` of an ensemble.

    Attributes:
        schema: version of this layout, that of single bundles.
        members: names of the members, folders in `members/`, in the order in which they are averaged.
        licence: under which the ensemble may be used, None where nobody said.
        record: what it was chosen by.
        sha256: file relative to the bundle, with "/" -> hash; every file except `bundle.json`.
    """

    schema: int = SCHEMA
    members: tuple[str, ...]
    licence: str | None = None
    record: dict[str, Any] = msgspec.field(default_factory=dict)
    sha256: dict[str, str]

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Build from JSON; raises `InvalidFile` for a newer schema and for what does not belong there."""
        check_schema(data, SCHEMA, where, what="bundle")
        return super().from_data(data, where)


@dataclass(frozen=True)
class EnsembleBundle:
    """An ensemble's folder, verified.

    Attributes:
        folder: of the bundle.
        record: its `bundle.json`.
        members: the bundles inside.
    """

    folder: Path
    record: EnsembleRecord
    members: tuple[Bundle, ...]

    @property
    def postprocessing(self) -> Mapping[str, Any] | None:
        """The fitted rule, as `nnplug.evaluation.postprocess` writes it, or None."""
        listed = POSTPROCESSING in self.record.sha256
        return dict(read_json(self.folder / POSTPROCESSING)) if listed else None


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
    """Write the bundle of an ensemble as a folder, or as a zip where the name ends in ".zip"; whole or not at all.

    Args:
        members: name -> what goes into its bundle, at least two, of the same labels.
        target: where to write; an older bundle there is replaced.
        postprocessing: the fitted rule for the mean of all members.
        licence: under which the ensemble may be used; that of the first member's `dataset.json` where None.
        record: what it was chosen by.
        replace: see `nnplug.models.bundle_files.check_free`.

    Raises:
        NnplugError: `target` is something else, see `nnplug.models.bundle_files.check_free`.
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
    """Open the folder of a bundle or of an ensemble's, and verify every file; raises as `read_bundle` does."""
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
    """A verified bundle of any sort, from its folder or, for the time of the block, from a zip."""
    with unpacked_folder(path) as folder:
        yield read_any(folder)


def import_bundle(source: Path, target: Path, *, replace: bool = False) -> AnyBundle:
    """Verify a bundle (folder or zip) and copy its listed files to a folder; whole or not at all.

    Raises:
        NnplugError: `target` is something else (`nnplug.models.bundle_files.check_free`), or is or holds `source`.
    """
    check_folder(target, [source])
    check_free(target, replace=replace)
    with unpacked_any(source) as bundle, atomic_folder(target) as folder:
        for name in (INDEX, *bundle.record.sha256):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.folder / name, folder / name)
    return read_any(target)


def members_of(bundle: AnyBundle) -> tuple[Bundle, ...]:
    """The models that are averaged; a bundle of one model has itself."""
    return bundle.members if isinstance(bundle, EnsembleBundle) else (bundle,)


def requirements(bundle: AnyBundle) -> list[str]:
    """Return the distributions that prediction needs, a line for pip each, sorted.

    Only architectures, preprocessors, normalizers and postprocessors count: what planned and trained the model need not
    be there.
    """
    stages = [stage for member in members_of(bundle) for stage in member.stages]
    providers = [provider for stage in stages for provider in stage.record.providers]
    needed = [provider for provider in providers if provider.kind in PREDICTION_KINDS]
    rules = [rule for part in (bundle, *stages) if (rule := part.postprocessing) is not None]
    needed += [RuleRecord.from_data(rule, POSTPROCESSING).provider for rule in rules]
    return sorted({f"{provider.distribution}=={provider.version}" for provider in needed})
