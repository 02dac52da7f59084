"""The writer of DICOM RT Structure Sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom import DataElement, uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

from nnplug.contracts import PredictedCase
from nnplug_dicom.example import filled
from nnplug_dicom.outlines import outlines
from nnplug_dicom.segments import Segment
from nnplug_dicom.series_writer import MANUFACTURER, SeriesWriter, series_number, software_versions
from nnplug_dicom.stack import Stack

_PATIENT_AND_STUDY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize", "PatientWeight"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"),
    *("ReferringPhysicianName", "FrameOfReferenceUID", "PositionReferenceIndicator", "SpecificCharacterSet"),
)
"""The attributes that a structure set shares with its source. Attributes of type 2 are empty if the source has none."""

_MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator"),
)
_SERIES_NUMBER = 2000
"""Added to the number of the source series."""


class RtstructWriter(SeriesWriter):
    """A writer of RT Structure Sets with closed polygons on the slices of the source series."""

    def data_set(
        self, predicted: PredictedCase, segments: Sequence[Segment], stack: Stack, headers: Sequence[Dataset]
    ) -> Dataset:
        """See `SeriesWriter.data_set`."""
        return _structure_set(predicted, segments, stack, headers)


def _structure_set(
    predicted: PredictedCase, segments: Sequence[Segment], stack: Stack, headers: Sequence[Dataset]
) -> FileDataset:
    now = datetime.now().astimezone()
    labels = stack.on_slices(predicted.label_map)
    contours = [list(_contours(labels, segment, stack, headers)) for segment in segments]
    made = filled(
        SOPClassUID=uid.RTStructureSetStorage,
        SOPInstanceUID=uid.generate_uid(),
        SeriesInstanceUID=uid.generate_uid(),
        SeriesNumber=series_number(headers[0], _SERIES_NUMBER),
        Modality="RTSTRUCT",
        SeriesDescription=f"Structures by {predicted.model}"[:64],
        OperatorsName="",
        Manufacturer=MANUFACTURER,
        ManufacturerModelName=predicted.model[:64],
        DeviceSerialNumber=predicted.model_version,
        SoftwareVersions=software_versions(),
        InstanceNumber=1,
        InstanceCreationDate=f"{now:%Y%m%d}",
        InstanceCreationTime=f"{now:%H%M%S}",
        StructureSetLabel="nnplug",
        StructureSetDate=f"{now:%Y%m%d}",
        StructureSetTime=f"{now:%H%M%S}",
        ApprovalStatus="UNAPPROVED",
        ReferencedFrameOfReferenceSequence=[_reference(headers)],
        StructureSetROISequence=[_roi(segment, predicted, headers[0]) for segment in segments],
        ROIContourSequence=[_roi_contour(s, own) for s, own in zip(segments, contours, strict=True)],
        RTROIObservationsSequence=[_observation(segment) for segment in segments],
    )
    for name in _PATIENT_AND_STUDY:
        if name in headers[0] or name in _MAY_BE_EMPTY:
            setattr(made, name, headers[0].get(name) if name in headers[0] else "")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    return FileDataset("", made, preamble=b"\0" * 128, file_meta=meta)


def _reference(headers: Sequence[Dataset]) -> Dataset:
    """Return the reference to the study, the series and every image."""
    images = {header.SOPInstanceUID: _image(header) for header in headers}
    series = filled(SeriesInstanceUID=headers[0].SeriesInstanceUID, ContourImageSequence=list(images.values()))
    study = filled(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",  # Detached Study Management, as the standard asks for
        ReferencedSOPInstanceUID=headers[0].StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return filled(FrameOfReferenceUID=headers[0].FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _image(header: Dataset) -> Dataset:
    return filled(ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)


def _roi(segment: Segment, predicted: PredictedCase, header: Dataset) -> Dataset:
    return filled(
        ROINumber=segment.number,
        ReferencedFrameOfReferenceUID=header.FrameOfReferenceUID,
        ROIName=segment.name[:64],
        ROIGenerationAlgorithm="AUTOMATIC",
        ROIGenerationDescription=f"{predicted.model} {predicted.model_version}"[-64:],
    )


def _roi_contour(segment: Segment, contours: list[Dataset]) -> Dataset:
    made = filled(ROIDisplayColor=list(segment.colour), ReferencedROINumber=segment.number)
    if contours:
        made.ContourSequence = contours
    return made


def _observation(segment: Segment) -> Dataset:
    made = filled(
        ObservationNumber=segment.number,
        ReferencedROINumber=segment.number,
        RTROIInterpretedType="",
        ROIInterpreter="",
    )
    if "type" in segment.codes:
        made.RTROIIdentificationCodeSequence = [_code(segment)]
    return made


def _code(segment: Segment) -> Dataset:
    code = segment.type
    return filled(CodeValue=code.value, CodingSchemeDesignator=code.scheme_designator, CodeMeaning=code.meaning)


def _contours(
    labels: npt.NDArray[np.int16], segment: Segment, stack: Stack, headers: Sequence[Dataset]
) -> Iterator[Dataset]:
    """Yield the polygons of a segment, in mm."""
    for number, plane in enumerate(labels):
        header = headers[min(number, len(headers) - 1)]
        for line in outlines(np.isin(plane, segment.values)):
            columns, rows = line[:, :1] * stack.pixel[1], line[:, 1:] * stack.pixel[0]
            points = stack.origins[number] + columns * stack.along_columns + rows * stack.along_rows
            image = _image(header)
            if len(headers) < len(labels):
                image.ReferencedFrameNumber = number + 1
            made = filled(
                ContourImageSequence=[image],
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(points),
            )
            # pydicom checks each number by a regular expression, which takes minutes for a CT of many structures
            numbers = [f"{value:.4f}" for value in points.ravel()]
            made.add(DataElement("ContourData", "DS", numbers, already_converted=True))
            yield made
