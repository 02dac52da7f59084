"""Datasets in nnU-Net's raw layout, read in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from nnplug.data.labels import Labels
from nnplug.errors import InvalidFile, NnplugError
from nnplug.runtime.files import read_json

FILE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".png", ".bmp", ".tif", ".tiff")
READERS = ("SimpleITKIO", "NaturalImage2DIO", "Tiff3DIO")


@dataclass(frozen=True)
class DatasetDescription:
    """`dataset.json`, checked.

    Attributes:
        channel_names: one per channel, in the order of the channels.
        labels: classes or regions.
        file_ending: with the leading dot.
        training_cases: what the file says (`numTraining`).
        files: case name -> its "images" and "label" as paths relative to the dataset, where the file lists them.
        raw: the whole object: what nnplug does not use travels with the model unchanged.
    """

    channel_names: tuple[str, ...]
    labels: Labels
    file_ending: str
    training_cases: int
    files: Mapping[str, Mapping[str, Any]] | None
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `dataset.json`; raises `InvalidFile` as `from_data` does."""
        return cls.from_data(read_json(path), str(path))

    @classmethod
    def from_data(cls, raw: Any, where: str) -> Self:
        """Check what `json.loads` gave.

        Raises:
            InvalidFile: a key is missing or holds what it must not; the message names `where` and the value.
        """
        if not isinstance(raw, dict):
            raise InvalidFile(f"{where}: expected an object with channel_names, labels, numTraining and file_ending")
        if missing := [k for k in ("channel_names", "labels", "numTraining", "file_ending") if k not in raw]:
            raise InvalidFile(f"{where}: {', '.join(missing)} missing; nnU-Net's dataset.json has it")
        return cls(
            channel_names=_channels(raw["channel_names"], where),
            labels=Labels.from_data(raw["labels"], raw.get("regions_class_order"), where),
            file_ending=_ending(raw["file_ending"], where),
            training_cases=_count(raw["numTraining"], where),
            files=_files(raw, where),
            raw=raw,
        )


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case: an image per channel (or one that holds all), and a label map where there is one."""

    name: str
    images: tuple[Path, ...]
    label: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """A folder in nnU-Net's raw layout. Nothing is ever written there.

    Attributes:
        folder: holds `dataset.json`, `imagesTr` and `labelsTr`.
        description: `dataset.json`.
    """

    folder: Path
    description: DatasetDescription

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read `dataset.json` of a folder.

        Raises:
            InvalidFile: the folder or file is missing, or the file breaks nnU-Net's rules.
        """
        if not folder.is_dir():
            raise InvalidFile(f"{folder}: no such folder; give the dataset's folder, the one that holds dataset.json")
        return cls(folder, DatasetDescription.read(folder / "dataset.json"))

    @property
    def name(self) -> str:
        """The folder's name, such as "Dataset004_Hippocampus"."""
        return self.folder.resolve().name

    def training_cases(self) -> tuple[CaseFiles, ...]:
        """The training cases by name.

        Raises:
            NnplugError: there are none.
        """
        files = self.description.files
        cases = self._listed(files) if files is not None else self._found()
        if not cases:
            ending = self.description.file_ending
            raise NnplugError(
                f"{self.folder}: no training cases; expected imagesTr/CASE_0000{ending} and labelsTr/CASE{ending}"
            )
        return cases

    def _listed(self, files: Mapping[str, Mapping[str, Any]]) -> tuple[CaseFiles, ...]:
        def case(name: str) -> CaseFiles:
            entry = files[name]
            return CaseFiles(name, tuple(self.folder / i for i in entry["images"]), self.folder / entry["label"])

        return tuple(case(name) for name in sorted(files))

    def _found(self) -> tuple[CaseFiles, ...]:
        ending = self.description.file_ending
        labels = self.folder / "labelsTr"
        return tuple(
            CaseFiles(c.name, c.images, labels / f"{c.name}{ending}")
            for c in image_cases(self.folder / "imagesTr", ending)
        )


def image_cases(folder: Path, ending: str) -> tuple[CaseFiles, ...]:
    """The cases of a folder of images named CASE_0000, CASE_0001 ..; files of other names are left out."""
    return group_channels(folder.iterdir() if folder.is_dir() else (), ending)


def group_channels(files: Iterable[Path], ending: str) -> tuple[CaseFiles, ...]:
    """Group files named CASE_XXXX into cases by name, channels in order."""
    channels: dict[str, dict[int, Path]] = {}
    for file in files:
        stem = file.name.removesuffix(ending)
        name, _, channel = stem.rpartition("_")
        if stem != file.name and name and len(channel) == 4 and channel.isdigit() and not file.name.startswith("."):
            channels.setdefault(name, {})[int(channel)] = file
    return tuple(CaseFiles(name, tuple(found[c] for c in sorted(found))) for name, found in sorted(channels.items()))


def _channels(raw: Any, where: str) -> tuple[str, ...]:
    if not isinstance(raw, dict) or sorted(raw) != sorted(str(i) for i in range(len(raw))) or not raw:
        raise InvalidFile(f'{where}: \'channel_names\' is {raw!r}; expected names under "0", "1", .. without a gap')
    return tuple(str(raw[str(i)]) for i in range(len(raw)))


def _ending(raw: Any, where: str) -> str:
    if raw not in FILE_ENDINGS:
        raise InvalidFile(f"{where}: 'file_ending' is {raw!r}; nnplug reads {', '.join(FILE_ENDINGS)}")
    return str(raw)


def _count(raw: Any, where: str) -> int:
    if not isinstance(raw, int) or raw < 1:
        raise InvalidFile(f"{where}: 'numTraining' is {raw!r}; expected the number of training cases")
    return raw


def _files(raw: Mapping[str, Any], where: str) -> Mapping[str, Mapping[str, Any]] | None:
    reader = raw.get("overwrite_image_reader_writer")
    if reader is not None and reader not in READERS:
        raise InvalidFile(
            f"{where}: 'overwrite_image_reader_writer' is {reader!r}, which reads axes in another order than nnplug "
            f"does; remove the line or use one of {', '.join(READERS)}"
        )
    files = raw.get("dataset")
    if files is None:
        return None
    if not isinstance(files, dict) or not all(
        isinstance(f, dict) and {"images", "label"} <= set(f) for f in files.values()
    ):
        raise InvalidFile(f'{where}: \'dataset\' must give each case its "images" and its "label"')
    return files
