"""The image series in a folder, read from the headers of their files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from nnplug.errors import InvalidFile

SLICES = frozenset(
    {uid.CTImageStorage, uid.MRImageStorage, uid.PositronEmissionTomographyImageStorage},
)
"""SOP classes with one slice per file."""
VOLUMES = frozenset(
    {
        uid.EnhancedCTImageStorage,
        uid.EnhancedMRImageStorage,
        uid.EnhancedPETImageStorage,
        uid.LegacyConvertedEnhancedCTImageStorage,
        uid.LegacyConvertedEnhancedMRImageStorage,
        uid.LegacyConvertedEnhancedPETImageStorage,
    }
)
"""SOP classes with all slices in one file."""
SEGMENTATIONS = frozenset({uid.SegmentationStorage, uid.RTStructureSetStorage})
_NEEDED = ("Rows", "Columns", "BitsAllocated", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient")
_DAMAGE = "is no whole DICOM file; copy it again"


@dataclass(frozen=True)
class DicomFile:
    """A DICOM file with its header.

    Attributes:
        path: the file.
        name: the file in messages.
        header: all attributes but the pixels.
    """

    path: Path
    name: str
    header: Dataset


@dataclass(frozen=True)
class Series:
    """The files of an image series, in any order."""

    uid: str
    files: tuple[DicomFile, ...]

    @property
    def is_enhanced(self) -> bool:
        """Return whether all slices are in one file."""
        return self.files[0].header.SOPClassUID in VOLUMES

    @property
    def description(self) -> str:
        """One line for a list: modality, description and number of slices."""
        header = self.files[0].header
        slices = sum(int(file.header.get("NumberOfFrames", 1)) for file in self.files)
        words = " ".join(str(header.get("SeriesDescription", "")).split()) or "no description"
        return f"{header.get('Modality', '?')} {words!r}, {slices} slice{'' if slices == 1 else 's'}"


def read_headers(files: Mapping[Path, str]) -> tuple[DicomFile, ...]:
    """Return the headers of DICOM files, of all kinds.

    Raises:
        InvalidFile: a file is damaged.
    """
    found = []
    for path, name in files.items():
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, EOFError, ValueError, AttributeError, KeyError, OSError) as error:
            raise InvalidFile(f"{name}: {_DAMAGE} ({error})") from error
        if header.file_meta.get("MediaStorageSOPClassUID") == uid.MediaStorageDirectoryStorage:
            continue
        if "SOPClassUID" not in header or "SeriesInstanceUID" not in header:
            raise InvalidFile(f"{name}: {_DAMAGE}")
        found.append(DicomFile(path, name, header))
    return tuple(found)


def image_series(files: tuple[DicomFile, ...]) -> tuple[Series, ...]:
    """Return the image series among DICOM files, sorted by series number and UID.

    Raises:
        InvalidFile: the file of a slice is damaged.
    """
    found: dict[str, list[DicomFile]] = defaultdict(list)
    for file in files:
        if file.header.SOPClassUID in SLICES | VOLUMES:
            _check_whole(file)
            found[str(file.header.SeriesInstanceUID)].append(file)
    series = [Series(name, tuple(own)) for name, own in found.items()]
    return tuple(sorted(series, key=lambda one: (int(one.files[0].header.get("SeriesNumber") or 0), one.uid)))


def _check_whole(file: DicomFile) -> None:
    header = file.header
    if header.SOPClassUID in SLICES and (missing := [name for name in _NEEDED if header.get(name) is None]):
        raise InvalidFile(f"{file.name}: has no {', '.join(missing)}; copy it again, or leave it out if it is no slice")
    if header.file_meta.TransferSyntaxUID.is_compressed:
        return
    numbers = (header.get(name, 1) for name in ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames"))
    size = int(header.get("BitsAllocated", 8)) // 8
    for number in numbers:
        size *= int(number)
    if file.path.stat().st_size < size:
        raise InvalidFile(f"{file.name}: {_DAMAGE} ({file.path.stat().st_size} bytes, expected more than {size})")


def one_series(files: tuple[DicomFile, ...], series: str, folder: Path) -> Series:
    """Return the series with a UID.

    Raises:
        InvalidFile: there is none.
    """
    found = next((one for one in image_series(files) if one.uid == series), None)
    if found is None:
        raise InvalidFile(f"{folder}: holds no image series {series}")
    return found
