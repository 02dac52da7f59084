"""The checks of `nnplug.contracts.FolderReader`, of readers whose entry says `reads_folders`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from nnplug.contracts import FolderReader, FoundImage
from nnplug.errors import InvalidFile
from nnplug.io.geometry import Geometry
from nnplug.io.placement import orientation
from nnplug.registry.reader_entry import ReaderComponent
from nnplug.testing.check import Checks, NotChecked, Subject, require


@dataclass(frozen=True)
class _Example:
    """The reader with the folder of its example, and the images that it finds there."""

    reader: FolderReader
    folder: Path
    found: tuple[FoundImage, ...]


@contextmanager
def _example(subject: Subject) -> Iterator[_Example]:
    component = cast("ReaderComponent", subject.entry.component)
    if not component.reads_folders:
        raise NotChecked("its entry does not say reads_folders")
    with TemporaryDirectory() as name:
        folder = Path(name) / "example"
        folder.mkdir()
        reader: FolderReader = subject.create()
        reader.example(folder)
        yield _Example(reader, folder, reader.find_images(folder))


def _finds(subject: Subject) -> None:
    with _example(subject) as example:
        before = _contents(example.folder)
        found = example.reader.find_images(example.folder)
        require(isinstance(found, tuple) and found, f"find_images gives {found!r} for its example; expected images")
        ending = cast("ReaderComponent", subject.entry.component).reads_also[0]
        for image in found:
            require(isinstance(image, FoundImage), f"find_images gives {type(image).__name__}; expected FoundImage")
            require(example.folder in image.path.parents, f"the path {image.path} does not lie in the folder")
            require(
                image.path.name.endswith(ending), f"the path {image.path.name} does not end as reads_also: {ending}"
            )
            require(image.id and image.name, f"{image} has no id or no name")
        require(len({image.id for image in found}) == len(found), "two images of one folder have one id")
        require(_contents(example.folder) == before, "find_images changed the folder")


def _reads(subject: Subject) -> None:
    with _example(subject) as example:
        copy: FolderReader = pickle.loads(pickle.dumps(example.reader))  # noqa: S301 - pickled in the same line
        for image in example.found:
            array, geometry = example.reader.read(image.path)
            require(isinstance(geometry, Geometry), f"read gives {type(geometry).__name__}; expected Geometry")
            require(array.shape[1:] == geometry.shape, f"read gives shape {array.shape} for {geometry.shape}")
            alone = example.reader.read_geometry(image.path)
            require(alone == geometry, f"read_geometry gives {alone}, but read gives {geometry}")
            again, where = copy.read(image.path)
            require(np.array_equal(array, again) and where == geometry, "a pickled copy reads something else")


def _turns(subject: Subject) -> None:
    with _example(subject) as example:
        for image in example.found:
            stored, geometry = example.reader.read(image.path)
            for wanted in ("RAS", "SAR"):
                (turned,) = (i for i in example.reader.find_images(example.folder, [wanted]) if i.id == image.id)
                array, place = example.reader.read(turned.path)
                require(orientation(place) == wanted, f"read gives {orientation(place)} where {wanted} is asked for")
                same = np.array_equal(np.sort(array, axis=None), np.sort(stored, axis=None))
                require(same, f"the voxels in {wanted} differ from those as stored")
                own = orientation(geometry) or ""
                kept = next(i for i in example.reader.find_images(example.folder, [wanted, own]) if i.id == image.id)
                require(
                    example.reader.read_geometry(kept.path) == geometry, "turns an image whose orientation is known"
                )


def _names_files(subject: Subject) -> None:
    with _example(subject) as example:
        for image in example.found:
            files = example.reader.read_with(image.path)
            require(files, f"read_with names no file of {image.path.name}")
            require(all(file.is_file() for file in files), "read_with names files that do not exist")


def _finds_nothing_elsewhere(subject: Subject) -> None:
    with _example(subject) as example, TemporaryDirectory() as name:
        require(example.reader.find_images(Path(name)) == (), "finds images in an empty folder")
        (Path(name) / "notes.txt").write_text("no image")
        (Path(name) / "empty").touch()
        require(example.reader.find_images(Path(name)) == (), "finds images in a folder with a text file")


def _names_damage(subject: Subject) -> None:
    """Raise unless an image with a truncated file is refused with the name of the file or the folder."""
    with _example(subject) as example:
        for image in example.found:
            for file in example.reader.read_with(image.path):
                data = file.read_bytes()
                file.write_bytes(data[: len(data) // 2])
                _check_refused(example.reader, image.path, example.folder)
                file.write_bytes(data)


def _check_refused(reader: FolderReader, path: Path, folder: Path) -> None:
    try:
        reader.read(path)
    except InvalidFile as error:
        require(str(folder) in str(error), f"the error on a damaged file does not name it: {error}")
        return
    require(False, "an image with a truncated file was read without InvalidFile")  # noqa: FBT003


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


CHECKS: Checks = {
    "finds the images of a folder": _finds,
    "reads the images of a folder": _reads,
    "turns images of a folder": _turns,
    "names the files of an image": _names_files,
    "finds nothing in other folders": _finds_nothing_elsewhere,
    "names damaged files of a folder": _names_damage,
}
