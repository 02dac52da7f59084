"""Read segmentations and structure sets: which classes they have, and their masks on the slices of a series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import highdicom
import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.dataset import Dataset

from nnplug.errors import InvalidFile
from nnplug.io.geometry import Geometry, LabelMap
from nnplug_dicom.outlines import Points, filled
from nnplug_dicom.series import DicomFile
from nnplug_dicom.stack import Stack

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Annotation:
    """A DICOM Segmentation or RT Structure Set."""

    file: DicomFile

    @property
    def is_segmentation(self) -> bool:
        """Return whether it is a Segmentation."""
        return bool(self.file.header.SOPClassUID == uid.SegmentationStorage)

    @property
    def series(self) -> frozenset[str]:
        """The UIDs of the series that it annotates."""
        header = self.file.header
        if self.is_segmentation:
            return frozenset(str(one.SeriesInstanceUID) for one in header.get("ReferencedSeriesSequence", []))
        frames = header.get("ReferencedFrameOfReferenceSequence", [])
        studies = (study for frame in frames for study in frame.get("RTReferencedStudySequence", []))
        series = (one for study in studies for one in study.get("RTReferencedSeriesSequence", []))
        return frozenset(str(one.SeriesInstanceUID) for one in series)

    @property
    def classes(self) -> Mapping[str, int]:
        """Name of each segment or structure -> its number."""
        header = self.file.header
        if self.is_segmentation:
            return {str(one.SegmentLabel): int(one.SegmentNumber) for one in header.get("SegmentSequence", [])}
        return {str(one.ROIName): int(one.ROINumber) for one in header.get("StructureSetROISequence", [])}

    @property
    def codes(self) -> Mapping[str, Mapping[str, list[str]]]:
        """Name of each segment -> its codes, as `dataset.json` has them; empty for structure sets."""
        if not self.is_segmentation:
            return {}
        return {str(one.SegmentLabel): dict(_codes(one)) for one in self.file.header.get("SegmentSequence", [])}

    def masks(self, stack: Stack) -> Iterator[tuple[str, Mask]]:
        """Yield the name and the mask (slices, rows, columns) of each class on the slices of a series.

        Raises:
            InvalidFile: its frames or contours cannot be read.
        """
        try:
            yield from self._segments(stack) if self.is_segmentation else self._structures(stack)
        except (ValueError, RuntimeError, AttributeError, KeyError, IndexError, EOFError) as error:
            raise InvalidFile(f"{self.file.name}: its segments cannot be read ({error}); copy it again") from error

    def _segments(self, stack: Stack) -> Iterator[tuple[str, Mask]]:
        found = highdicom.seg.segread(self.file.path)
        names = [str(file.header.SOPInstanceUID) for file in stack.files]
        for name, number in self.classes.items():
            if stack.is_tilted:  # highdicom makes no volume of shifted slices
                frames = found.get_pixels_by_source_instance(
                    names, segment_numbers=[number], assert_missing_frames_are_empty=True
                )
                yield name, frames[..., 0] > 0
            else:
                volume = found.get_volume(segment_numbers=[number], combine_segments=True)
                yield name, stack.on_slices(_label_map(volume)) > 0

    def _structures(self, stack: Stack) -> Iterator[tuple[str, Mask]]:
        numbers = {number: name for name, number in self.classes.items()}
        for roi in self.file.header.get("ROIContourSequence", []):
            mask = np.zeros(stack.shape, np.bool_)
            for contour in roi.get("ContourSequence", []):
                if str(contour.ContourGeometricType).startswith(("CLOSED_PLANAR", "CLOSEDPLANAR")):
                    points = np.reshape(np.array(contour.ContourData, np.float64), (-1, 3))
                    number, line = _on_slice(points, stack)
                    if number is not None:
                        mask[number] ^= filled([line], stack.shape[1:])
            yield numbers[int(roi.ReferencedROINumber)], mask


def _on_slice(points: Points, stack: Stack) -> tuple[int | None, Points]:
    """Return the number of the slice that a contour lies on, None if on none, and its points (column, row)."""
    distances = (points.mean(axis=0) - stack.origins) @ stack.normal
    number = int(np.argmin(np.abs(distances)))
    moved = points - stack.origins[number]
    line = np.stack([moved @ stack.along_columns / stack.pixel[1], moved @ stack.along_rows / stack.pixel[0]], axis=1)
    return (number if abs(distances[number]) < stack.step / 2 else None), line


def _label_map(volume: highdicom.Volume) -> LabelMap:
    """Return a volume of one segment with its place."""
    axes, array = volume.affine[:3, :3], np.asarray(volume.array)
    spacing = np.linalg.norm(axes, axis=0)
    geometry = Geometry(
        shape=(array.shape[0], array.shape[1], array.shape[2]),
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        file_spacing=tuple(spacing[::-1].tolist()),
        origin=tuple(volume.affine[:3, 3].tolist()),
        direction=tuple((axes / spacing)[:, ::-1].ravel().tolist()),
    )
    return LabelMap((array > 0).astype(np.int16), geometry)


def _codes(segment: Dataset) -> Iterator[tuple[str, list[str]]]:
    for key, name in (("category", "SegmentedPropertyCategory"), ("type", "SegmentedPropertyType")):
        for code in segment.get(f"{name}CodeSequence", [])[:1]:
            yield key, [str(code.CodeValue), str(code.CodingSchemeDesignator), str(code.CodeMeaning)]
            for modifier in code.get(f"{name}ModifierCodeSequence", [])[:1] if key == "type" else ():
                yield (
                    "modifier",
                    [str(modifier.CodeValue), str(modifier.CodingSchemeDesignator), str(modifier.CodeMeaning)],
                )
