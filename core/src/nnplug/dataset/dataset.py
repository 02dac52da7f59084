"""Datasets in nnU-Net's raw layout, read in place."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from nnplug.dataset.labels import IGNORE, Labels
from nnplug.errors import InvalidDescription, InvalidFile, NnplugError
from nnplug.io.readers import ReaderEntry, Readers, core_readers
from nnplug.remedies import Action
from nnplug.runtime.files import read_json_once

EXPLICIT = 'expected {"CASE": {"images": ["FILE", ..], "label": "FILE"}}'
LAYOUT = "the one that holds dataset.json, imagesTr and labelsTr"
READER_KEYS = ("reader", "overwrite_image_reader_writer")
"""The keys of `dataset.json` that name the reader: that of nnplug, and that of nnU-Net."""


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
        if faults := _faults(raw, where):
            raise InvalidDescription(faults)
        return cls(
            channel_names=_channels(raw["channel_names"], where),
            labels=Labels.from_data(raw["labels"], raw.get("regions_class_order"), where),
            file_ending=_ending(raw["file_ending"], where),
            training_cases=_count(raw["numTraining"], where),
            files=_files(raw, where),
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
        return (core_readers() if readers is None else readers).for_dataset(self.reader, self.file_ending, where)

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
        """The name of the folder, such as "Dataset004_Hippocampus"."""
        return self.folder.resolve().name

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
            return CaseFiles(name, images, self._path(entry["label"]), self.readers)

        return tuple(case(name) for name in sorted(files))

    def _path(self, text: str) -> Path:
        return self.folder / os.path.expandvars(text)

    def _found(self) -> tuple[CaseFiles, ...]:
        ending = self.description.file_ending
        labels = self.folder / "labelsTr"
        return tuple(
            CaseFiles(c.name, c.images, labels / f"{c.name}{ending}", self.readers)
            for c in image_cases(self.folder / "imagesTr", ending)
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
    pattern = f"Dataset{int(reference):03d}_*" if reference.isdigit() else reference
    found = sorted(folder for folder in raw.glob(pattern) if folder.is_dir())
    if len(found) != 1:
        names = ", ".join(f.name for f in found or sorted(raw.glob("Dataset*"))) or "no dataset"
        what = f"{len(found)} datasets have that number" if found else "no such dataset"
        raise NnplugError(f"{reference}: {what}; nnUNet_raw ({raw}) holds {names}. Give the dataset's folder.")
    return found[0]


def image_cases(folder: Path, ending: str, readers: Readers | None = None) -> tuple[CaseFiles, ...]:
    """Return the cases of a folder with images CASE_0000, CASE_0001 ..; files with other names are left out."""
    return group_channels(folder.iterdir() if folder.is_dir() else (), ending, readers)


def group_channels(files: Iterable[Path], ending: str, readers: Readers | None = None) -> tuple[CaseFiles, ...]:
    """Return files named CASE_XXXX grouped into cases, sorted by name, with channels in order."""
    own = core_readers() if readers is None else readers
    channels: dict[str, dict[int, Path]] = {}
    for file in files:
        number = channel_number(file, ending)
        if number is not None:
            channels.setdefault(file.name.removesuffix(ending)[: -len("_0000")], {})[number] = file
    return tuple(
        CaseFiles(name, tuple(found[c] for c in sorted(found)), readers=own) for name, found in sorted(channels.items())
    )


def channel_number(file: Path, ending: str) -> int | None:
    """Return the channel number of a file named CASE_XXXX, or None for other names."""
    match = re.fullmatch(rf"[^.].*_([0-9]{{4}}){re.escape(ending)}", file.name)
    return int(match[1]) if match else None


def _faults(raw: Mapping[str, Any], where: str) -> list[str]:
    """Return a line for each fault of a description."""
    missing = [key for key in ("channel_names", "labels", "numTraining", "file_ending") if key not in raw]
    lines = [f"{where}: {', '.join(missing)} missing; nnU-Net's dataset.json has it"] if missing else []
    checks: dict[str, Callable[[], object]] = {
        "channel_names": lambda: _channels(raw["channel_names"], where),
        "labels": lambda: Labels.from_data(raw["labels"], raw.get("regions_class_order"), where),
        "file_ending": lambda: _ending(raw["file_ending"], where),
        "numTraining": lambda: _count(raw["numTraining"], where),
        "dataset": lambda: _files(raw, where),
    }
    for check in (lambda: _check_names(raw, where), *(checks[key] for key in checks if key in raw)):
        try:
            check()
        except InvalidFile as error:
            lines += error.lines
    return lines


def _channels(raw: Any, where: str) -> tuple[str, ...]:
    if not isinstance(raw, dict) or sorted(raw) != sorted(str(i) for i in range(len(raw))) or not raw:
        meant = f"; write {json.dumps({str(i): name for i, name in enumerate(raw)})}" if isinstance(raw, list) else ""
        raise InvalidFile(
            f'{where}: \'channel_names\' is {raw!r}; expected names under "0", "1", .. without a gap{meant}'
        )
    return tuple(str(raw[str(i)]) for i in range(len(raw)))


def _ending(raw: Any, where: str) -> str:
    if not isinstance(raw, str) or not raw.startswith("."):
        raise InvalidFile(f"{where}: 'file_ending' is {raw!r}; expected an ending with its dot, such as '.nii.gz'")
    return raw


def _count(raw: Any, where: str) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or raw < 1:
        raise InvalidFile(f"{where}: 'numTraining' is {raw!r}; expected the number of training cases")
    return raw


def _check_names(raw: Mapping[str, Any], where: str) -> None:
    for key in READER_KEYS:
        if not isinstance(name := raw.get(key, "None"), str):
            raise InvalidFile(f"{where}: '{key}' is {name!r}; expected the name of a reader, or no such line")


def _files(raw: Mapping[str, Any], where: str) -> Mapping[str, Mapping[str, Any]] | None:
    files = raw.get("dataset")
    if files is None:
        return None
    if not isinstance(files, dict):
        raise InvalidFile(f"{where}: 'dataset' is {files!r}; {EXPLICIT}")
    for name, entry in files.items():
        images = entry.get("images") if isinstance(entry, dict) else None
        if not isinstance(images, list) or not all(isinstance(f, str) for f in (*images, entry.get("label"))):
            raise InvalidFile(f"{where}: 'dataset' has {entry!r} for case {name!r}; {EXPLICIT}")
    return files
