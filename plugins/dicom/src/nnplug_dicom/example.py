"""Write series and their segmentations: tiny ones for the conformance kit, and phantoms for tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
STUDY = {
    "PatientName": "Phantom^A",
    "PatientID": "phantom-1",
    "PatientBirthDate": "19700101",
    "PatientSex": "O",
    "StudyDate": "20260101",
    "StudyTime": "120000",
    "StudyID": "1",
    "AccessionNumber": "1",
    "ReferringPhysicianName": "",
    "Manufacturer": "nnplug",
}


@dataclass(frozen=True)
class Acquisition:
    """The geometry and the identity of a series to write.

    Attributes:
        cosines: unit vectors along the columns and along the rows, (LPS).
        origin: the first pixel of the first slice, mm.
        pixel: mm from row to row and from column to column.
        step: mm from slice to slice.
        shear: mm by which each slice is shifted along its rows against the one before, as by a tilted gantry.
        study: a number of the study; equal numbers give one study.
        number: the number of the series in the study.
        description: its description.
    """

    cosines: tuple[float, ...] = AXIAL
    origin: tuple[float, float, float] = (-20.0, -30.0, 40.0)
    pixel: tuple[float, float] = (1.5, 1.25)
    step: float = 3.0
    shear: float = 0.0
    study: int = 1
    number: int = 1
    description: str = "Phantom"

    def uid(self, *parts: object) -> str:
        """Return a UID that is the same for the same parts."""
        return str(uid.generate_uid(entropy_srcs=["nnplug", *map(str, parts)]))

    def position(self, slice_: int) -> list[float]:
        """Return the first pixel of a slice, mm."""
        columns, rows = np.reshape(self.cosines, (2, 3))
        place = np.array(self.origin) + slice_ * (self.step * np.cross(columns, rows) + self.shear * rows)
        return [float(value) for value in np.round(place, 6)]


def write_series(
    folder: Path, voxels: npt.NDArray[np.int16] | None = None, acquisition: Acquisition | None = None
) -> list[Path]:
    """Write voxels (slices, rows, columns) in HU as a CT series and return the files in the order of slices.

    Without voxels, a tiny series is written.
    """
    array = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7) * 3 - 100 if voxels is None else voxels
    own = acquisition or Acquisition()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, pixels in enumerate(array):
        path = folder / f"slice_{number:04d}.dcm"
        header = _slice(own, number, pixels)
        FileDataset(path, header, preamble=b"\0" * 128, file_meta=_meta(header)).save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _slice(own: Acquisition, number: int, pixels: npt.NDArray[np.int16]) -> Dataset:
    series = own.uid("series", own.study, own.number)
    return filled(
        SOPClassUID=uid.CTImageStorage,
        SOPInstanceUID=own.uid(series, number),
        StudyInstanceUID=own.uid("study", own.study),
        SeriesInstanceUID=series,
        FrameOfReferenceUID=own.uid("frame of reference", own.study),
        **STUDY,
        Modality="CT",
        ImageType=["DERIVED", "SECONDARY", "AXIAL"],
        SeriesDescription=own.description,
        SeriesNumber=own.number,
        AcquisitionNumber=1,
        InstanceNumber=number + 1,
        PatientPosition="HFS",
        PositionReferenceIndicator="",
        BodyPartExamined="HEAD",
        KVP="120",
        SliceThickness=own.step,
        ImagePositionPatient=own.position(number),
        ImageOrientationPatient=[round(float(value), 10) for value in own.cosines],
        PixelSpacing=list(own.pixel),
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=pixels.shape[0],
        Columns=pixels.shape[1],
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=1,
        RescaleIntercept=-1000,
        RescaleSlope=1,
        RescaleType="HU",
        PixelData=(pixels.astype(np.int16) + 1000).astype("<i2").tobytes(),
    )


def filled(**attributes: Any) -> Dataset:
    """Return a data set with attributes by keyword."""
    header = Dataset()
    for name, value in attributes.items():
        setattr(header, name, value)
    return header


def _meta(header: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = header.SOPClassUID
    meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    return meta
