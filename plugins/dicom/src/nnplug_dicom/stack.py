"""The slices of a series in the order of space, and the grid that they make."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.errors import InvalidFile
from nnplug.io.geometry import LabelMap
from nnplug_dicom.series import DicomFile, Series

Array = npt.NDArray[np.float64]

IRREGULAR = 0.02
"""The largest difference of two distances of slices, as a share of the distance."""
SAME_PLACE = 1e-3  # mm
_ALONG = 1e-5
"""The step of an index from pixel to pixel below which an axis runs along the other direction."""
TILTED = 0.1
"""The smallest shift of the last slice against the first that counts as tilt, in pixels."""


@dataclass(frozen=True)
class Stack:
    """Parallel slices at equal distances, sorted along their normal.

    Attributes:
        files: the file of each slice; of an enhanced image, one file for all.
        shape: slices, rows, columns.
        origins: (slices, 3) centre of the first pixel of each slice, mm, in DICOM's axes (LPS).
        along_columns: unit vector from a pixel to the next in its row.
        along_rows: unit vector from a row to the next.
        pixel: mm from row to row, and from column to column.
        step: mm from slice to slice, along the normal.
    """

    files: tuple[DicomFile, ...]
    shape: tuple[int, int, int]
    origins: Array
    along_columns: Array
    along_rows: Array
    pixel: tuple[float, float]
    step: float

    @property
    def normal(self) -> Array:
        """The unit vector along which slices are sorted."""
        return np.cross(self.along_columns, self.along_rows)

    @property
    def shifts(self) -> Array:
        """The shift (rows, columns) of each slice against the first within the plane, in pixels."""
        moved = self.origins - self.origins[0]
        return np.stack([moved @ self.along_rows / self.pixel[0], moved @ self.along_columns / self.pixel[1]], axis=1)

    @property
    def is_tilted(self) -> bool:
        """Return whether slices are shifted within their plane, as those of a tilted gantry."""
        return bool(np.abs(self.shifts).max() > TILTED)

    def on_slices(self, label_map: LabelMap) -> npt.NDArray[np.int16]:
        """Return the label (slices, rows, columns) at the centre of each pixel; 0 outside of the label map.

        Args:
            label_map: a label map on any grid.
        """
        geometry = label_map.geometry
        cosines = np.reshape(geometry.direction, (3, 3))
        to_index = np.linalg.inv(cosines * np.array(geometry.file_spacing))
        down, right = to_index @ (self.pixel[0] * self.along_rows), to_index @ (self.pixel[1] * self.along_columns)
        rows, columns = np.arange(self.shape[1])[:, None], np.arange(self.shape[2])[None, :]
        result = np.zeros(self.shape, np.int16)
        for number, origin in enumerate(self.origins):
            first = to_index @ (origin - geometry.origin)
            inside: npt.NDArray[np.bool_] | bool = True
            index = []
            for axis, size in enumerate(geometry.shape[::-1]):
                # an axis that runs along rows or columns has an index per row or column, not one per pixel
                steps = [n * s for n, s in ((rows, down[axis]), (columns, right[axis])) if abs(s) > _ALONG]
                place = np.rint(first[axis] + sum(steps, np.zeros((1, 1)))).astype(np.int64)
                inside = inside & (place >= 0) & (place < size)
                index.append(np.clip(place, 0, size - 1))
            x, y, z = index
            result[number] = np.where(inside, label_map.array[z, y, x], 0)
        return result


def stack_of(series: Series) -> Stack:
    """Return the slices of a series with one file per slice, sorted and checked.

    Raises:
        InvalidFile: slices have different sizes or orientations, lie in one place, or are missing; the message names
            the file.
    """
    files = series.files
    _check_alike(files, "size", [(f.header.Rows, f.header.Columns) for f in files])
    _check_alike(files, "pixel spacing", [_rounded(f.header.PixelSpacing, 4) for f in files])
    _check_alike(files, "orientation", [_rounded(f.header.ImageOrientationPatient, 3) for f in files])
    cosines = np.array(files[0].header.ImageOrientationPatient, np.float64).reshape(2, 3)
    columns, rows = cosines / np.linalg.norm(cosines, axis=1, keepdims=True)
    positions = np.array([f.header.ImagePositionPatient for f in files], np.float64)
    places = positions @ np.cross(columns, rows)
    order = np.argsort(places, kind="stable")
    sorted_files = tuple(files[i] for i in order)
    step = _step(sorted_files, places[order])
    stack = Stack(
        files=sorted_files,
        shape=(len(files), int(files[0].header.Rows), int(files[0].header.Columns)),
        origins=positions[order],
        along_columns=columns,
        along_rows=rows,
        pixel=(float(files[0].header.PixelSpacing[0]), float(files[0].header.PixelSpacing[1])),
        step=step,
    )
    _check_line(stack)
    return stack


def _rounded(values: Any, digits: int) -> tuple[float, ...]:
    return tuple(round(float(value), digits) + 0.0 for value in values)


def _check_alike(files: tuple[DicomFile, ...], what: str, values: list[tuple[float, ...]]) -> None:
    """Raise unless all files have the value of most of them, up to the last digit."""
    ((most, _),) = Counter(values).most_common(1)
    for file, value in zip(files, values, strict=True):
        if not np.allclose(value, most, rtol=0, atol=2e-3):
            raise InvalidFile(
                f"{file.name}: has {what} {value}, most slices of its series {most}; leave it out, or export the "
                "series again without localizers"
            )


def _step(files: tuple[DicomFile, ...], places: Array) -> float:
    """Return the distance of slices in mm."""
    if len(files) == 1:
        header = files[0].header
        given = header.get("SpacingBetweenSlices") or header.get("SliceThickness")
        if not given or float(given) <= 0:
            raise InvalidFile(f"{files[0].name}: is the only slice of its series and has no thickness")
        return float(given)
    distances = np.diff(places)
    for number in np.flatnonzero(distances < SAME_PLACE):
        raise InvalidFile(
            f"{files[number + 1].name}: lies where {files[number].name} lies; a series has one slice in each place, so "
            "leave one of them out, or export one time point"
        )
    usual = float(np.median(distances))
    for number in np.flatnonzero(np.abs(distances - usual) > IRREGULAR * usual):
        raise InvalidFile(
            f"{files[number + 1].name}: lies {distances[number]:.4g} mm from the slice before it, "
            f"{files[number].name}, the others {usual:.4g} mm; a slice is missing or too many; export it again"
        )
    return float(places[-1] - places[0]) / (len(files) - 1)


def _check_line(stack: Stack) -> None:
    """Raise unless the slices are shifted evenly, as those of a tilted gantry."""
    even = np.linspace(0, 1, len(stack.files))[:, None] * stack.shifts[-1]
    off = np.abs(stack.shifts - even).max(axis=1)
    if (worst := int(np.argmax(off))) and off[worst] > 0.5:
        raise InvalidFile(
            f"{stack.files[worst].name}: is shifted by {off[worst]:.3g} pixels against its neighbours; slices "
            "of a series lie on one line; export it again"
        )
