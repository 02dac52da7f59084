"""Datasets in nnU-Net's raw layout, read in place."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from nnplug.dataset.case_files import CaseFiles, case_name, files_of, image_cases
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.description_faults import listed_testing_files
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.readers import ReaderEntry, Readers, core_readers

LAYOUT = "the one that holds dataset.json, imagesTr and labelsTr"


@dataclass(frozen=True)
class Dataset:
    """A folder in nnU-Net's raw layout. nnplug never writes there.

    Attributes:
        folder: the folder with `dataset.json`, `imagesTr` and `labelsTr`.
        description: the content of `dataset.json`.
        readers: the readers of its files, which prefer the one that `dataset.json` names.
    """

    folder: Path
    description: DatasetDescription
    readers: Readers = field(default_factory=core_readers, compare=False, repr=False)

    @classmethod
    def open(cls, folder: Path, readers: Readers | None = None) -> Self:
        """Return the dataset in a folder, with its `dataset.json`.

        Args:
            folder: the folder of the dataset.
            readers: the readers to choose from, such as `Readers.of(Plugins().registry)`; None for those of the core.

        Raises:
            InvalidFile: the folder or file is missing, the file breaks nnU-Net's rules, or no reader reads its files.
            AmbiguousComponent: several readers read its files, and `dataset.json` names none.
        """
        if not folder.is_dir():
            what = "a file" if folder.exists() else "no such folder"
            raise InvalidFile(f"{folder}: {what}; give the dataset's folder, {LAYOUT}")
        if not (folder / "dataset.json").is_file():
            raise InvalidFile(f"{folder}: has no dataset.json; give the dataset's folder, {LAYOUT}")
        description = DatasetDescription.read(folder / "dataset.json")
        return cls(folder, description, description.readers(readers, str(folder / "dataset.json")))

    @property
    def name(self) -> str:
        """The name of the folder, such as "Dataset004_Hippocampus"; of a link its own, not that of its target."""
        return Path(os.path.abspath(self.folder)).name  # noqa: PTH100 - Path.resolve follows links

    @property
    def reader(self) -> ReaderEntry:
        """The reader of files with the file ending of the dataset."""
        return self.readers.entry(Path(f"image{self.description.file_ending}"))

    def training_cases(self) -> tuple[CaseFiles, ...]:
        """Return the training cases, sorted by name.

        Raises:
            NnplugError: there are no training cases.
        """
        files = self.description.files
        cases = self._listed(files) if files is not None else self._found()
        if not cases:
            ending = self.description.file_ending
            raise NnplugError(
                f"{self.folder}: no training cases; expected imagesTr/CASE_0000{ending} and labelsTr/CASE{ending}"
            )
        return cases

    def testing_cases(self) -> tuple[CaseFiles, ...]:
        """Return the cases to predict that `dataset.json` lists under "testing", sorted by name; some have labels."""
        return self._listed(listed_testing_files(self.description.raw, str(self.folder / "dataset.json")))

    @property
    def unlabelled_folder(self) -> Path:
        """The folder of images without label maps, `imagesUn`, which need not exist."""
        return self.folder / "imagesUn"

    def unlabelled_cases(self) -> tuple[CaseFiles, ...]:
        """Return the images without label maps, CASE_0000 .. in the folder `imagesUn`, sorted by name."""
        return image_cases(self.unlabelled_folder, self.description.file_ending, self.readers)

    def _listed(self, files: Mapping[str, Mapping[str, Any]]) -> tuple[CaseFiles, ...]:
        def case(name: str) -> CaseFiles:
            entry = files[name]
            images = tuple(self._path(i) for i in entry["images"])
            label = self._path(entry["label"]) if "label" in entry else None
            return CaseFiles(name, images, label, self.readers)

        return tuple(case(name) for name in sorted(files))

    def _path(self, text: str) -> Path:
        return self.folder / os.path.expandvars(text)

    def _found(self) -> tuple[CaseFiles, ...]:
        ending = self.description.file_ending
        folder = self.folder / "labelsTr"
        labels = {name: path for path in files_of(folder, ending) if (name := case_name(path, ending)) is not None}
        return tuple(
            CaseFiles(case.name, case.images, labels.get(case.name, folder / f"{case.name}{ending}"), self.readers)
            for case in image_cases(self.folder / "imagesTr", ending)
        )


def find_dataset(reference: str, raw: Path | None) -> Path:
    """Return the folder of a dataset, found by its path, number or name.

    Args:
        reference: a folder; or a number or name such as "4" or "Dataset004_Hippocampus", which is looked up in `raw`.
        raw: the folder of datasets that the variable `nnUNet_raw` names; None if it is not set.

    Raises:
        NnplugError: `raw` is needed and not set, or it has no dataset or several datasets of this number or name.
    """
    is_name = re.fullmatch(r"[0-9]+|Dataset[0-9]{3}_\w+", reference)
    if Path(reference).exists() or not is_name:
        return Path(reference)
    if raw is None:
        raise NnplugError(f"{reference}: no such folder, and nnUNet_raw is not set. Give the dataset's folder.")
    pattern = f"Dataset{int(reference):03d}_*" if reference.isdecimal() else reference
    found = sorted(folder for folder in raw.glob(pattern) if folder.is_dir())
    if len(found) != 1:
        names = ", ".join(f.name for f in found or sorted(raw.glob("Dataset*"))) or "no dataset"
        what = f"{len(found)} datasets have that number" if found else "no such dataset"
        raise NnplugError(f"{reference}: {what}; nnUNet_raw ({raw}) holds {names}. Give the dataset's folder.")
    return found[0]
