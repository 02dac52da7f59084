"""The reader of DICOM series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from nnplug.contracts import FolderReader, FoundImage
from nnplug.errors import InvalidFile
from nnplug.io.geometry import Geometry
from nnplug_dicom.example import write_series
from nnplug_dicom.files import dicom_files
from nnplug_dicom.image_path import ImagePath
from nnplug_dicom.series import Series, image_series, read_headers
from nnplug_dicom.volume import open_series, read_place, read_volume


@dataclass(frozen=True)
class DicomReader(FolderReader):
    """A reader of CT, MR and PET series in folders, zip files and single files of enhanced images."""

    def find_images(self, folder: Path, orientations: Sequence[str] = ()) -> tuple[FoundImage, ...]:
        """See `FolderReader.find_images`: one per series; its id is the Series Instance UID."""
        with dicom_files(folder) as files:
            series = image_series(read_headers(files))
        name = _case_name(folder)
        return tuple(
            FoundImage(one.uid, _path(folder, one, orientations).path, name, one.description) for one in series
        )

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `FolderReader.read`."""
        array, geometry = read_volume(ImagePath.of(path))
        return array[None], geometry

    def read_geometry(self, path: Path) -> Geometry:
        """See `FolderReader.read_geometry`."""
        return read_place(ImagePath.of(path))

    def read_with(self, path: Path) -> tuple[Path, ...]:
        """See `FolderReader.read_with`: the files of the slices, or the zip file."""
        place = ImagePath.of(path)
        if not place.folder.is_dir():
            return (place.folder,)
        with open_series(place) as opened:
            return tuple(file.path for file in opened.series.files)

    def example(self, folder: Path) -> None:
        """See `FolderReader.example`."""
        write_series(folder)


def _case_name(folder: Path) -> str:
    name = folder.resolve().name
    return name[: -len(folder.suffix)] if folder.is_file() else name


def _path(folder: Path, series: Series, orientations: Sequence[str]) -> ImagePath:
    """Return the path of a series, turned to the first of the orientations if its own is none of them."""
    stored = ImagePath(folder, series.uid)
    if not orientations or _orientation(series) in orientations:
        return stored
    return replace(stored, orientation=orientations[0])


def _orientation(series: Series) -> str:
    """Return the sides that the axes of a series point to, from the header of a slice; "" if it does not say."""
    cosines = series.files[0].header.get("ImageOrientationPatient")
    if cosines is None:
        shared = series.files[0].header.get("SharedFunctionalGroupsSequence", [{}])[0]
        planes = shared.get("PlaneOrientationSequence")
        cosines = planes[0].get("ImageOrientationPatient") if planes else None
    if cosines is None:
        raise InvalidFile(f"{series.files[0].name}: its slices have no common orientation")
    (a, b, c), (d, e, f) = ([float(value) for value in cosines[start : start + 3]] for start in (0, 3))
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    direction = [value for column in zip((a, b, c), (d, e, f), normal, strict=True) for value in column]
    return str(sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(direction))
