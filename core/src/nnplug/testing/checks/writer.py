"""The checks of `nnplug.contracts.Writer`."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import numpy.typing as npt

from nnplug.contracts import PredictedCase, Writer
from nnplug.dataset.dataset import CaseFiles, DatasetDescription
from nnplug.io.geometry import Geometry, LabelMap
from nnplug.io.images import read_geometry
from nnplug.io.readers import Readers
from nnplug.registry.reader_entry import WriterComponent
from nnplug.testing.check import Checks, Subject, imports_no_torch, require

CLASSES = DatasetDescription.from_data(
    {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "organ": 1, "tumour": 2},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    },
    "kit",
)
REGIONS = DatasetDescription.from_data(
    {**CLASSES.raw, "labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}, "kit"
)


@dataclass(frozen=True)
class _Example:
    """The writer with its example, in a folder of their own."""

    writer: Writer
    case: CaseFiles
    geometry: Geometry
    folder: Path
    ending: str

    @property
    def path(self) -> Path:
        return self.folder / "written" / f"{self.case.name}{self.ending}"

    def write(self, *, turn: int = 0, description: DatasetDescription = CLASSES, empty: bool = False) -> bytes:
        """Write a label map, and return the content of the file."""
        label_map = LabelMap(_labels(self.geometry.shape, turn) * (not empty), self.geometry)
        self.writer.write(self.path, PredictedCase(self.case, label_map, description, "Dataset001_Kit a 2d", "0" * 12))
        require(self.path.is_file(), f"write made no file {self.path.name}")
        return self.path.read_bytes()


def _labels(shape: tuple[int, ...], turn: int) -> npt.NDArray[np.int16]:
    """Return a label map with the values 0, 1 and 2, and without symmetry."""
    labels = (np.arange(np.prod(shape)) % 7 % 3).astype(np.int16).reshape(shape)
    return np.roll(labels, turn, axis=-1)


@contextmanager
def _example(subject: Subject) -> Iterator[_Example]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("image", "written"):
            (folder / part).mkdir()
        writer: Writer = subject.create()
        case = writer.example(folder / "image")
        require(isinstance(case, CaseFiles), f"example gives {type(case).__name__}; expected CaseFiles")
        own = CaseFiles(case.name, case.images, readers=Readers.of(subject.registry))
        geometry = read_geometry(own.images[0], own.readers)
        require(np.prod(geometry.shape) >= 16, f"the image of the example has the shape {geometry.shape}")
        ending = cast("WriterComponent", subject.entry.component).ending
        yield _Example(writer, own, geometry, folder, ending)


def _takes_its_example(subject: Subject) -> None:
    with _example(subject) as example:
        for description in (CLASSES, REGIONS):
            notices = example.writer.check(example.case, description)
            lines = isinstance(notices, tuple) and all(isinstance(line, str) for line in notices)
            require(lines, f"check gives {notices!r}; expected a tuple of lines")


def _writes_one_file(subject: Subject) -> None:
    with _example(subject) as example:
        before = _contents(example.folder / "image")
        for description in (CLASSES, REGIONS):
            example.write(description=description)
        there = sorted(path.name for path in example.path.parent.iterdir())
        require(there == [example.path.name], f"writing {example.path.name} made {', '.join(there)}")
        require(_contents(example.folder / "image") == before, "writing changed the image")


def _writes_the_label_map(subject: Subject) -> None:
    with _example(subject) as example:
        first, second = example.write(), example.write(turn=1)
        require(first != second, "another label map gives the same file")


def _writes_background(subject: Subject) -> None:
    with _example(subject) as example:
        example.write(empty=True)


def _replaces(subject: Subject) -> None:
    """Raise unless a file is replaced, not changed: a hard link keeps the old content only if it is replaced."""
    with _example(subject) as example:
        old = example.write()
        kept = example.folder / "kept"
        os.link(example.path, kept)
        example.write(turn=1)
        require(
            kept.read_bytes() == old,
            f"{example.path.name} is changed in place, so that a kill leaves half a file; write a temporary file and "
            "rename it (nnplug.runtime.files.atomic_file)",
        )


def _works_elsewhere(subject: Subject) -> None:
    with _example(subject) as example:
        writer: Writer = pickle.loads(pickle.dumps(example.writer))  # noqa: S301 - pickled in the same line
        _Example(writer, example.case, example.geometry, example.folder, example.ending).write()


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


CHECKS: Checks = {
    "imports no torch": imports_no_torch,
    "takes its example": _takes_its_example,
    "writes one file and leaves the image": _writes_one_file,
    "writes the label map": _writes_the_label_map,
    "writes a label map of background": _writes_background,
    "replaces files as a whole": _replaces,
    "works in other processes": _works_elsewhere,
}
