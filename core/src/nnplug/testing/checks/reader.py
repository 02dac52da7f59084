"""The checks of `nnplug.contracts.Reader`."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import numpy.typing as npt

from nnplug.contracts import ImageWriter, LabelReader, Reader, SidecarReader
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.geometry import Geometry
from nnplug.registry.reader_entry import ReaderComponent
from nnplug.testing.check import Checks, NotChecked, Subject, imports_no_torch, require
from nnplug.testing.checks import folder_reader

VOLUME = Geometry((5, 6, 7), (3.0, 2.0, 0.5), (0.5, 2.0, 3.0), (5.0, -6.0, 7.0), tuple(np.eye(3).ravel().tolist()))
FLAT = Geometry((1, 6, 7), (1998.0, 2.0, 0.5), (0.5, 2.0), (5.0, -6.0), (1.0, 0.0, 0.0, 1.0))
LARGE = 300
"""A label value that needs two bytes."""
WITHOUT_SPACING = (1.0, 1.0)
"""The spacing (y, x) of 2D formats that store none."""


@dataclass(frozen=True)
class _Written:
    """A label map that the reader has written and its geometry as the reader reads it."""

    path: Path
    label: npt.NDArray[np.uint8]
    geometry: Geometry
    foreign: Geometry
    """The geometry of another reader that the file was written with first."""


def _label(geometry: Geometry) -> npt.NDArray[np.uint8]:
    """Return a label map without symmetry, so that no exchange of axes goes unnoticed."""
    return (np.arange(np.prod(geometry.shape)) % 11 % 4).astype(np.uint8).reshape(geometry.shape)


def _component(subject: Subject) -> ReaderComponent:
    return cast("ReaderComponent", subject.entry.component)


@contextmanager
def _written(subject: Subject) -> Iterator[tuple[Reader, list[_Written]]]:
    """Yield the reader, and a 3D and a 2D label map of each ending, as far as the format can hold them."""
    if _component(subject).reads_folders:
        raise NotChecked("its images are in folders, and it writes no files")
    reader: Reader = subject.create()
    with TemporaryDirectory() as name:
        found: list[_Written] = []
        for number, ending in enumerate(_component(subject).endings):
            before = len(found)
            for geometry in (VOLUME, FLAT):
                path = Path(name) / f"{number}{geometry.dimensions}" / f"case{ending}"
                path.parent.mkdir()
                with suppress(_Refused):
                    found.append(_write(reader, path, geometry))
            require(len(found) > before, f"writes neither a 2D nor a 3D label map to a file {ending}")
        yield reader, found


class _Refused(Exception):
    """The signal that the format cannot hold a 2D or a 3D image."""


def _write(reader: Reader, path: Path, foreign: Geometry) -> _Written:
    """Write a label map, first with the geometry of another reader and then with the reader's own."""
    try:
        reader.write_label(path, _label(foreign), foreign)
    except NnplugError as error:
        raise _Refused from error
    _, own = reader.read(path)
    require(isinstance(own, Geometry), f"read gives {type(own).__name__}; expected nnplug.io.geometry.Geometry")
    reader.write_label(path, _label(own), own)
    return _Written(path, _label(own), own, foreign)


def _reads_back(subject: Subject) -> None:
    with _written(subject) as (reader, found):
        for one in found:
            array, _ = reader.read(one.path)
            wanted = (1, *one.label.shape)
            require(array.shape == wanted, f"{one.path.name} was read with shape {array.shape}; expected {wanted}")
            require(np.array_equal(array[0], one.label), f"other labels were read from {one.path.name} than written")
            if _component(subject).reads_labels:
                again, _ = cast("LabelReader", reader).read_label(one.path)
                require(
                    np.array_equal(again[0], one.label), f"read_label gives other labels of {one.path.name} than read"
                )
            _reads_large_values(reader, one)


def _reads_large_values(reader: Reader, one: _Written) -> None:
    large = one.label.astype(np.uint16) * (LARGE // 3)
    try:
        reader.write_label(one.path, large, one.geometry)
    except NnplugError:
        return  # the format holds bytes, and the reader says so
    array, _ = reader.read(one.path)
    require(np.array_equal(array[0], large), f"the label value {LARGE} was lost in {one.path.name}")


def _keeps_geometry(subject: Subject) -> None:
    with _written(subject) as (reader, found):
        for one in found:
            _, first = reader.read(one.path)
            wanted = one.foreign.spacing
            require(
                _keeps_spacing(first, one.foreign),
                f"{one.path.name} was written with spacing {wanted} mm and read with {first.spacing} (z, y, x)",
            )
            require(first == one.geometry, f"{one.path.name} was written with {one.geometry} and read with {first}")


def _keeps_spacing(read: Geometry, written: Geometry) -> bool:
    """Return whether spacings agree; readers may turn axes, and 2D formats may store no spacing."""
    flat = written.dimensions == 2
    ours, theirs = (sorted(g.spacing[1:] if flat else g.spacing) for g in (read, written))
    return np.allclose(ours, theirs, rtol=1e-4) or (flat and read.spacing[1:] == WITHOUT_SPACING)


def _reads_geometry(subject: Subject) -> None:
    with _written(subject) as (reader, found):
        for one in found:
            _, whole = reader.read(one.path)
            alone = reader.read_geometry(one.path)
            require(alone == whole, f"read_geometry gives {alone}, but read gives {whole}")


def _writes_whole_files(subject: Subject) -> None:
    """Raise unless a file is replaced, not changed: a hard link keeps the old content only if it is replaced."""
    with _written(subject) as (reader, found):
        for one in found:
            folder = one.path.parent
            old = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
            links = {file: folder.with_name(f"{folder.name}.linked") / file.relative_to(folder) for file in old}
            for file, link in links.items():
                link.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, link)
            reader.write_label(one.path, 3 - one.label, one.geometry)
            for file, content in old.items():
                kept = links[file].read_bytes()
                require(
                    kept == content,
                    f"{file.name} is changed in place, so that a kill leaves half a file; write a temporary file and "
                    "rename it (nnplug.runtime.files.atomic_file)",
                )


def _declares_files(subject: Subject) -> None:
    with _written(subject) as (reader, found):
        for one in found:
            sidecars, read = _sidecars(subject, reader, one.path)
            there = set(one.path.parent.iterdir())
            require(
                there <= {one.path, *sidecars},
                f"writing {one.path.name} made {', '.join(sorted(p.name for p in there))}; the entry says has_sidecars "
                "and the reader names others in written_with, or none are made",
            )
            require(set(sidecars) <= set(read), "written_with names files that read_with does not")


def _sidecars(subject: Subject, reader: Reader, path: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    if not _component(subject).has_sidecars:
        return (), ()
    one = cast("SidecarReader", reader)
    return one.written_with(path), one.read_with(path)


def _names_damage(subject: Subject) -> None:
    with _written(subject) as (reader, found):
        for one in found:
            for file in _damaged_files(one.path):
                data = file.read_bytes()
                for damaged in (b"", data[: len(data) // 2], b"no image at all"):
                    file.write_bytes(damaged)
                    _check_refused(reader, one.path, len(damaged))
                file.write_bytes(data)


def _damaged_files(path: Path) -> list[Path]:
    """Return the files to damage: the image, or the largest file and the deepest metadata of one that is a folder."""
    if path.is_file():
        return [path]
    files = [file for file in path.rglob("*") if file.is_file()]
    return [max(files, key=lambda file: file.stat().st_size), min(files, key=lambda file: len(file.parts))]


def _check_refused(reader: Reader, path: Path, size: int) -> None:
    try:
        reader.read(path)
    except InvalidFile as error:
        require(path.name in str(error), f"the error on a damaged file does not name it: {error}")
        return
    require(False, f"a damaged {path.name} of {size} bytes was read without InvalidFile")  # noqa: FBT003


def _works_elsewhere(subject: Subject) -> None:
    with _written(subject) as (reader, found):
        copy: Reader = pickle.loads(pickle.dumps(reader))  # noqa: S301 - pickled in the same line
        for one in found:
            array, geometry = copy.read(one.path)
            ours, where = reader.read(one.path)
            require(np.array_equal(array, ours) and geometry == where, "a pickled copy reads something else")


def _writes_images(subject: Subject) -> None:
    if not _component(subject).writes_images:
        raise NotChecked("its entry does not say writes_images")
    with _written(subject) as (reader, found):
        writer = cast("ImageWriter", reader)
        for one in found:
            image = (np.arange(one.label.size) * 3 % 251).astype(np.uint8).reshape(one.label.shape)
            writer.write_image(one.path, image, one.geometry)
            array, _ = writer.read(one.path)
            require(np.array_equal(array, image[None]), f"other voxels were read from {one.path.name} than written")


CHECKS: Checks = {
    "imports no torch": imports_no_torch,
    "reads the label maps that it writes": _reads_back,
    "keeps the geometry": _keeps_geometry,
    "reads the geometry alone": _reads_geometry,
    "replaces files as a whole": _writes_whole_files,
    "declares the files that it writes": _declares_files,
    "names damaged files": _names_damage,
    "works in other processes": _works_elsewhere,
    "writes images": _writes_images,
    **folder_reader.CHECKS,
}
