"""Datasets in nnU-Net's raw layout, read in place."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from nnplug.dataset.description_faults import (
    READER_KEYS,
    channel_names,
    description_faults,
    file_ending,
    listed_files,
    listed_testing_files,
    training_count,
)
from nnplug.dataset.labels import IGNORE, Labels
from nnplug.errors import InvalidDescription, InvalidFile, NnplugError
from nnplug.io.readers import ReaderEntry, Readers, core_readers, readers_or_core
from nnplug.remedies import Action
from nnplug.runtime.files import read_json_once

LAYOUT = "the one that holds dataset.json, imagesTr and labelsTr"


@dataclass(frozen=True)
class DatasetDescription:
    """The checked content of `dataset.json`.

    Attributes:
        channel_names: one name per channel, in the order of the channels.
        labels: classes or regions.
        file_ending: with the leading dot.
        training_cases: `numTraining` of the file.
        files: case name -> its "images" and "label" as paths relative to the dataset; None if the file does not list
            them.
        raw: the whole object. It is stored with the model, with the keys that nnplug does not use.
    """

    channel_names: tuple[str, ...]
    labels: Labels
    file_ending: str
    training_cases: int
    files: Mapping[str, Mapping[str, Any]] | None
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the description in a `dataset.json`.

        Raises:
            InvalidFile: the file cannot be read, has a key twice, or as in `from_data`.
        """
        return cls.from_data(read_json_once(path), str(path))

    @classmethod
    def from_data(cls, raw: Any, where: str) -> Self:
        """Return the description made from the result of `json.loads`.

        Raises:
            InvalidFile: keys are missing or have invalid values; a line per fault names `where` and the value.
        """
        if not isinstance(raw, dict):
            raise InvalidFile(f"{where}: expected an object with channel_names, labels, numTraining and file_ending")
        if "modality" in raw and "channel_names" not in raw:
            raise InvalidFile(
                f'{where}: is a dataset.json of nnU-Net v1 ("modality" instead of "channel_names")',
                Action.CONVERT_V1(),
            )
        if faults := description_faults(raw, where):
            raise InvalidDescription(faults)
        return cls(
            channel_names=channel_names(raw["channel_names"], where),
            labels=Labels.from_data(raw["labels"], raw.get("regions_class_order"), where),
            file_ending=file_ending(raw["file_ending"], where),
            training_cases=training_count(raw["numTraining"], where),
            files=listed_files(raw, where),
            raw=raw,
        )

    @property
    def reader(self) -> str | None:
        """The reader that the file names, in words of nnplug or nnU-Net; None to choose it by `file_ending`."""
        return next((name for key in READER_KEYS if (name := self.raw.get(key, "None")) != "None"), None)

    def readers(self, readers: Readers | None, where: str) -> Readers:
        """Return readers that prefer the one of this dataset; `where` is the file of the description, for messages.

        Raises:
            InvalidFile: no reader has the name in the file, or reads its endings.
            AmbiguousComponent: several readers do, and the file names none.
        """
        return readers_or_core(readers).for_dataset(self.reader, self.file_ending, where)

    def without_regions(self) -> Self:
        """Return the description with one class per label value instead of regions; without regions, `self`."""
        if not self.labels.has_regions:
            return self
        ignored = {} if self.labels.ignore is None else {IGNORE: self.labels.ignore}
        classes = {f"label {value}": value for value in self.labels.foreground_values}
        raw = {key: value for key, value in self.raw.items() if key != "regions_class_order"}
        return self.from_data({**raw, "labels": {"background": 0, **classes, **ignored}}, "dataset.json")


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case: one image per channel, or one image with all channels; and the label map, if any.

    Attributes:
        name: the name of the case.
        images: the images.
        label: the label map, or None.
        readers: the readers of these files.
    """

    name: str
    images: tuple[Path, ...]
    label: Path | None = None
    readers: Readers = field(default_factory=core_readers, compare=False, repr=False)


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
        labels = {name: path for path in _files(folder, ending) if (name := case_name(path, ending)) is not None}
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


def image_cases(folder: Path, ending: str, readers: Readers | None = None) -> tuple[CaseFiles, ...]:
    """Return the cases of a folder with images CASE_0000, CASE_0001 ..; files with other names are left out."""
    return group_channels(_files(folder, ending), ending, readers)


def group_channels(files: Iterable[Path], ending: str, readers: Readers | None = None) -> tuple[CaseFiles, ...]:
    """Return files named CASE_XXXX grouped into cases, sorted by name, with channels in order.

    Of two files that differ in the case of their ending, the one that is spelled as `ending` is taken.
    """
    own = readers_or_core(readers)
    channels: dict[str, dict[int, Path]] = {}
    for file in sorted(files, key=lambda file: file.name.endswith(ending)):
        name, number = case_name(file, ending), channel_number(file, ending)
        if name is not None and number is not None:
            channels.setdefault(name[: -len("_0000")], {})[number] = file
    return tuple(
        CaseFiles(name, tuple(found[c] for c in sorted(found)), readers=own) for name, found in sorted(channels.items())
    )


def channel_number(file: Path, ending: str) -> int | None:
    """Return the channel number of a file named CASE_XXXX, or None for other names."""
    match = re.fullmatch(r"[^.].*_([0-9]{4})", case_name(file, ending) or "")
    return int(match[1]) if match else None


def case_name(file: Path, ending: str) -> str | None:
    """Return the name of a file without its ending, in upper or lower case; None if it ends otherwise."""
    return file.name[: -len(ending)] if file.name.lower().endswith(ending.lower()) else None


def _files(folder: Path, ending: str) -> list[Path]:
    """Return the files of a folder; those with exactly this ending are last."""
    return sorted(folder.iterdir(), key=lambda file: file.name.endswith(ending)) if folder.is_dir() else []
