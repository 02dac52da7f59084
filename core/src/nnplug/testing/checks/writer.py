"""The checks of `nnplug.contracts.Writer`."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import numpy.typing as npt

from nnplug.contracts import DatasetWriter, PredictedCase, PredictingModel, Writer
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.io.geometry import Geometry, LabelMap
from nnplug.io.images import read_geometry
from nnplug.io.readers import Readers
from nnplug.registry.reader_entry import WriterComponent
from nnplug.runtime.files import copy_file, write_text
from nnplug.testing.check import Checks, NotChecked, Subject, imports_no_torch, require

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

MODEL, VERSION = "Dataset001_Kit a 2d", "0" * 12


@dataclass(frozen=True)
class _Example:
    """The writer with its example, in a folder of their own."""

    writer: Writer
    case: CaseFiles
    geometry: Geometry
    folder: Path
    component: WriterComponent

    @property
    def output(self) -> Path:
        return self.folder / "written"

    def names(self, description: DatasetDescription = CLASSES) -> tuple[str, ...]:
        """Return the files of the case, relative to the output folder."""
        if not self.component.writes_dataset:
            return (f"{self.case.name}{self.component.ending}",)
        return cast("DatasetWriter", self.writer).files(self.case, description)

    def shared(self, there: Mapping[str, str], case: CaseFiles) -> Mapping[str, str]:
        """Return the files that cases share, after a case was added."""
        model = PredictingModel(CLASSES, MODEL, VERSION)
        return cast("DatasetWriter", self.writer).shared(self.output, there, case, model)

    def write(
        self, *, turn: int = 0, description: DatasetDescription = CLASSES, empty: bool = False
    ) -> Mapping[str, bytes]:
        """Write a label map, and return name -> content of its files."""
        label_map = LabelMap(_labels(self.geometry.shape, turn) * (not empty), self.geometry)
        names = self.names(description)
        for name in names:
            (self.output / name).parent.mkdir(parents=True, exist_ok=True)
        path = self.output if self.component.writes_dataset else self.output / names[0]
        if self.component.writes_dataset:
            for name, content in self.shared({}, self.case).items():
                write_text(self.output / name, content)
        self.writer.write(path, PredictedCase(self.case, label_map, description, MODEL, VERSION))
        missing = [name for name in names if not (self.output / name).is_file()]
        require(not missing, f"write made no file {', '.join(missing)}")
        return {name: (self.output / name).read_bytes() for name in names}


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
        yield _Example(writer, own, geometry, folder, cast("WriterComponent", subject.entry.component))


def _takes_its_example(subject: Subject) -> None:
    with _example(subject) as example:
        for description in (CLASSES, REGIONS):
            notices = example.writer.check(example.case, description)
            lines = isinstance(notices, tuple) and all(isinstance(line, str) for line in notices)
            require(lines, f"check gives {notices!r}; expected a tuple of lines")


def _writes_its_files(subject: Subject) -> None:
    with _example(subject) as example:
        before = _contents(example.folder / "image")
        named: set[str] = set()
        for description in (CLASSES, REGIONS):
            named |= example.write(description=description).keys()
        if example.component.writes_dataset:
            named |= set(cast("DatasetWriter", example.writer).shared_files())
        there = _contents(example.output).keys()
        require(there == named, f"writing {', '.join(sorted(named))} made {', '.join(sorted(there))}")
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
        for number, name in enumerate(old):
            os.link(example.output / name, example.folder / f"kept{number}")
        example.write(turn=1)
        for number, (name, content) in enumerate(old.items()):
            require(
                (example.folder / f"kept{number}").read_bytes() == content,
                f"{name} is changed in place, so that a kill leaves half a file; write a temporary file and rename it "
                "(nnplug.runtime.files.atomic_file)",
            )


def _works_elsewhere(subject: Subject) -> None:
    with _example(subject) as example:
        writer: Writer = pickle.loads(pickle.dumps(example.writer))  # noqa: S301 - pickled in the same line
        replace(example, writer=writer).write()


@contextmanager
def _dataset_example(subject: Subject) -> Iterator[_Example]:
    with _example(subject) as example:
        if not example.component.writes_dataset:
            raise NotChecked("its entry does not say writes_dataset")
        yield example


def _other_case(example: _Example) -> CaseFiles:
    """Return a case of another name, whose image is a copy."""
    first = example.case.images[0]
    image = example.folder / "other" / f"other{first.name.removeprefix(first.name.split('.')[0])}"
    image.parent.mkdir()
    if first.is_dir():
        shutil.copytree(first, image)
    else:
        copy_file(first, image)
    return CaseFiles("other", (image,), readers=example.case.readers)


def _names_files(subject: Subject) -> None:
    with _dataset_example(subject) as example:
        another = _other_case(example)
        for description in (CLASSES, REGIONS):
            names = example.names(description)
            require(isinstance(names, tuple) and names, f"files gives {names!r}; expected a tuple of paths")
            for name in names:
                path = PurePosixPath(name)
                inside = not path.is_absolute() and path.parts and ".." not in path.parts
                require(inside, f"files names {name!r}, which is no path in the output folder")
            require(example.names(description) == names, "files names other files when it is asked again")
            other = cast("DatasetWriter", example.writer).files(another, description)
            twice = set(names) & set(other)
            require(not twice, f"files names {', '.join(sorted(twice))} for two cases")


def _shares_files(subject: Subject) -> None:
    """Raise unless a case is added once, and adding another removes nothing."""
    with _dataset_example(subject) as example:
        names, other = set(cast("DatasetWriter", example.writer).shared_files()), _other_case(example)
        first = example.shared({}, example.case)
        require(set(first) == names, f"shared gives {', '.join(first)}, but shared_files {', '.join(names)}")
        require(example.shared(first, example.case) == first, "shared changes a file for a case that is there")
        both = example.shared(first, other)
        require(example.shared(both, example.case) == both, "shared forgets a case when another one is added")
        again = {name: both[name] for name in list(both)[1:]}
        require(set(example.shared(again, other)) == names, "shared does not replace a file that was removed")


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


CHECKS: Checks = {
    "imports no torch": imports_no_torch,
    "takes its example": _takes_its_example,
    "writes its files alone and leaves the image": _writes_its_files,
    "writes the label map": _writes_the_label_map,
    "writes a label map of background": _writes_background,
    "replaces files as a whole": _replaces,
    "works in other processes": _works_elsewhere,
    "names the files of a case": _names_files,
    "adds cases to shared files": _shares_files,
}
