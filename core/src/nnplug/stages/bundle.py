"""A model to keep and to give away: a folder or zip of safetensors and JSON, every file with its hash.

Nothing in a bundle can run: no pickle, no code, no links. What is read is exactly what `bundle.json` lists.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Self

from nnplug.data.dataset import DatasetDescription
from nnplug.data.plans import Plans, read_plans
from nnplug.data.record import check_schema
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.provenance import Provider
from nnplug.records import Record
from nnplug.runtime.files import atomic_file, atomic_folder, read_json, write_json

SCHEMA = 1
INDEX = "bundle.json"
PLANS = "plans.json"
DATASET = "dataset.json"
POSTPROCESSING = "postprocessing.json"
_SUFFIXES = (".json", ".safetensors")


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
    weights: str
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
        """The fitted rule, as `nnplug.stages.postprocess` writes it, or None."""
        listed = POSTPROCESSING in self.record.sha256
        return dict(read_json(self.folder / POSTPROCESSING)) if listed else None

    def weights(self, fold: str) -> Path:
        """The safetensors file of a fold."""
        return self.folder / _weights(fold)


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle.

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
    """

    plans: Plans
    description: DatasetDescription
    configuration: str
    folds: Mapping[str, Callable[[Path], object]]
    mirror_axes: tuple[int, ...]
    providers: tuple[Provider, ...]
    record: Mapping[str, Any] = field(default_factory=dict)
    weights: str = "final"
    postprocessing: Mapping[str, Any] | None = None
    licence: str | None = None


def pack(contents: Contents, target: Path) -> None:
    """Write a bundle as a folder, or as a zip where the name ends in ".zip"; whole or not at all.

    Raises:
        NnplugError: `target` is a folder of something else, which is never overwritten.
    """
    if target.suffix == ".zip":
        with tempfile.TemporaryDirectory() as folder, atomic_file(target) as archive:
            _fill(Path(folder), contents)
            _zip(Path(folder), archive)
        return
    if target.exists() and not (target / INDEX).is_file() and not _is_empty(target):
        raise NnplugError(f"{target}: is there and is no bundle; choose another place or remove it")
    with atomic_folder(target) as folder_:
        _fill(folder_, contents)


def read_bundle(path: Path) -> Bundle:
    """Open a bundle's folder and verify it. A zip is opened through `unpacked`.

    Raises:
        InvalidFile: no bundle, a newer schema, or a damaged or unsafe file list.
        Problems: files are missing, changed, unexpected or links; one line each.
    """
    if not (path / INDEX).is_file():
        raise InvalidFile(f"{path}: no bundle ({INDEX} is missing); nnplug model export makes one from runs")
    record = BundleRecord.from_data(read_json(path / INDEX), str(path / INDEX))
    _check_names(record, path / INDEX)
    if problems := [*_unexpected(path, record), *_damaged(path, record)]:
        raise Problems(problems)
    return Bundle(path, record)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder of a bundle: itself, or a temporary one for a zip."""
    if path.is_dir() or not path.exists():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="nnplug-") as folder:
        unzip(path, Path(folder))
        yield Path(folder)


def unzip(archive: Path, folder: Path) -> None:
    """Take a bundle's files out of a zip; `read_bundle` verifies them.

    Raises:
        InvalidFile: it is no zip, is damaged, or holds a name or link that leads out of the folder.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                _check_member(member, archive)
            zipped.extractall(folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InvalidFile(f"{archive}: not a readable zip ({error}); get the bundle again") from error


def import_bundle(archive: Path, target: Path) -> Bundle:
    """Verify a bundle (a zip or a folder) and copy it to a folder; whole or not at all."""
    if target.exists() and not (target / INDEX).is_file() and not _is_empty(target):
        raise NnplugError(f"{target}: is there and is no bundle; choose another place or remove it")
    with unpacked(archive) as source:
        bundle = read_bundle(source)
        with atomic_folder(target) as folder:
            for name in (INDEX, *bundle.record.sha256):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, folder / name)
    return Bundle(target, bundle.record)


def _fill(folder: Path, contents: Contents) -> None:
    contents.plans.write(folder / PLANS)
    write_json(folder / DATASET, contents.description.raw)
    if contents.postprocessing is not None:
        write_json(folder / POSTPROCESSING, contents.postprocessing)
    for fold, write in contents.folds.items():
        (folder / _weights(fold)).parent.mkdir()
        write(folder / _weights(fold))
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    raw = contents.description.raw
    licence = contents.licence or raw.get("licence") or raw.get("license")
    BundleRecord(
        configuration=contents.configuration,
        folds=tuple(contents.folds),
        weights=contents.weights,
        mirror_axes=contents.mirror_axes,
        providers=contents.providers,
        licence=None if licence is None else str(licence),
        record=dict(contents.record),
        sha256={file.relative_to(folder).as_posix(): _sha256(file) for file in files},
    ).write(folder / INDEX)


def _zip(folder: Path, archive: Path) -> None:
    """Stored, not compressed (weights hardly shrink), with fixed times, so that equal models give equal files."""
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in sorted(f for f in folder.rglob("*") if f.is_file()):
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            with file.open("rb") as source, zipped.open(member, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def _check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InvalidFile(f"{archive}: holds the link {member.filename!r}; a bundle has plain files only")
    if not _is_inside(member.filename):
        raise InvalidFile(f"{archive}: holds {member.filename!r}, which leads out of the bundle; do not trust it")


def _check_names(record: BundleRecord, index: Path) -> None:
    for name in record.sha256:
        if not _is_inside(name):
            raise InvalidFile(f"{index}: lists {name!r}, which leads out of the bundle; do not trust it")
        if not name.endswith(_SUFFIXES):
            raise InvalidFile(f"{index}: lists {name!r}; a bundle has {' and '.join(_SUFFIXES)} files only")
    needed = (PLANS, DATASET, *(_weights(fold) for fold in record.folds))
    if missing := [name for name in needed if name not in record.sha256]:
        raise InvalidFile(f"{index}: does not list {', '.join(missing)}; get the bundle again")


def _unexpected(folder: Path, record: BundleRecord) -> Iterator[str]:
    """Links, and files that `bundle.json` does not list; what file managers hide (".DS_Store") may stay."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_symlink():
            yield f"{file}: is a link; a bundle has plain files only"
        elif file.is_file() and name not in {INDEX, *record.sha256} and not file.name.startswith("."):
            yield f"{file}: is not listed in {INDEX}; remove it or get the bundle again"


def _damaged(folder: Path, record: BundleRecord) -> Iterator[str]:
    for name, expected in record.sha256.items():
        file = folder / name
        if not file.is_file():
            yield f"{file}: is missing; get the bundle again"
        elif not file.is_symlink() and (found := _sha256(file)) != expected:
            yield f"{file}: has sha256 {found[:12]}.. instead of {expected[:12]}..; get the bundle again"


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _weights(fold: str) -> str:
    return f"fold_{fold}/weights.safetensors"


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def ordered(providers: Sequence[Provider]) -> tuple[Provider, ...]:
    """Each provider once, in the order given."""
    return tuple(dict.fromkeys(providers))
