"""The writer of DICOM Segmentations."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import highdicom
import numpy as np
import numpy.typing as npt
from highdicom.color import CIELabColor
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from nnplug.contracts import PredictedCase
from nnplug.io.geometry import LabelMap
from nnplug_dicom.segments import Segment
from nnplug_dicom.series_writer import MANUFACTURER, SeriesWriter, series_number, software_versions
from nnplug_dicom.stack import Stack

Voxels = npt.NDArray[Any]

_SERIES_NUMBER = 1000
"""Added to the number of the source series."""


class SegWriter(SeriesWriter):
    """A writer of binary DICOM Segmentations in the study and frame of reference of the source series."""

    def data_set(
        self, predicted: PredictedCase, segments: Sequence[Segment], stack: Stack, headers: Sequence[Dataset]
    ) -> Dataset:
        """See `SeriesWriter.data_set`."""
        with warnings.catch_warnings():
            # Names of anonymised patients often have one part; they are those of the series, whatever they are.
            warnings.filterwarnings("ignore", message="The string .* is unlikely to represent the intended person name")
            return _segmentation(predicted, segments, stack, headers)


def _segmentation(
    predicted: PredictedCase, segments: Sequence[Segment], stack: Stack, headers: Sequence[Dataset]
) -> Segmentation:
    """Return the data set. An upright series gets the label map as a volume, which keeps its place by itself."""
    tilted = stack.is_tilted
    source = predicted.label_map
    array = stack.on_slices(source) if tilted else source.array
    pixels = _pixels(array, segments, overlap=predicted.description.labels.has_regions)
    return Segmentation(
        source_images=headers,
        pixel_array=pixels if tilted else _volume(pixels, source, headers[0]),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_described(segment, predicted) for segment in segments],
        series_instance_uid=highdicom.UID(),
        series_number=series_number(headers[0], _SERIES_NUMBER),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=predicted.model[:64],
        software_versions=software_versions(),
        device_serial_number=predicted.model_version,
        series_description=f"Segmentation by {predicted.model}"[:64],
        content_description="Automatic segmentation",
        omit_empty_frames=bool(pixels.any()),
    )


def _pixels(array: Voxels, segments: Sequence[Segment], *, overlap: bool) -> Voxels:
    """Return segment numbers (z, y, x), or masks (z, y, x, segments) where segments overlap."""
    if overlap:
        return np.stack([np.isin(array, segment.values) for segment in segments], axis=-1).astype(np.uint8)
    table = np.zeros(int(array.max(initial=0)) + 1, np.uint8 if len(segments) < 256 else np.uint16)
    for segment in segments:
        for value in segment.values:
            if value < len(table):
                table[value] = segment.number
    return table[array]


def _volume(pixels: Voxels, source: LabelMap, header: Dataset) -> highdicom.Volume:
    """Return pixels with the place of the label map."""
    geometry = source.geometry
    axes = np.reshape(geometry.direction, (3, 3)) * np.array(geometry.file_spacing)
    affine = np.eye(4)
    affine[:3, :3] = axes[:, ::-1]
    affine[:3, 3] = geometry.origin
    channels = {"SegmentNumber": list(range(1, pixels.shape[3] + 1))} if pixels.ndim == 4 else None
    return highdicom.Volume(
        pixels,
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=header.FrameOfReferenceUID,
        channels=channels,
    )


def _described(segment: Segment, predicted: PredictedCase) -> SegmentDescription:
    algorithm = AlgorithmIdentificationSequence(
        name=predicted.model[:64], family=codes.DCM.ArtificialIntelligence, version=predicted.model_version
    )
    region = segment.codes.get("region")
    made = SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.name[:64],
        segmented_property_category=segment.category,
        segmented_property_type=segment.type,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=highdicom.UID(),
        tracking_id=f"{segment.name[:50]} {predicted.model_version}",
        anatomic_regions=[region] if region else None,
        display_color=CIELabColor.from_rgb(*segment.colour),
    )
    _modify(made, "SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence", segment, "modifier")
    _modify(made, "AnatomicRegionSequence", "AnatomicRegionModifierSequence", segment, "region_modifier")
    return made


def _modify(made: SegmentDescription, what: str, modifier: str, segment: Segment, key: str) -> None:
    """Add the modifier of a code, such as the side of the body."""
    if key in segment.codes and what in made:
        code = segment.codes[key]
        setattr(made[what].value[0], modifier, [CodedConcept(code.value, code.scheme_designator, code.meaning)])
