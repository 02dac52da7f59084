"""Read a series into an array with its geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from nnplug.errors import InvalidFile
from nnplug.io.geometry import Geometry
from nnplug_dicom.enhanced import read_enhanced
from nnplug_dicom.files import dicom_files
from nnplug_dicom.image_path import ImagePath
from nnplug_dicom.series import DicomFile, Series, one_series, read_headers
from nnplug_dicom.stack import Stack, stack_of
from nnplug_dicom.tilt import Upright, angle

Voxels = npt.NDArray[Any]


@dataclass(frozen=True)
class OpenSeries:
    """A series whose files can be read: those of a zip file lie in a temporary folder.

    Attributes:
        series: the series.
        others: all DICOM files of the folder.
    """

    series: Series
    others: tuple[DicomFile, ...]

    def stack(self) -> Stack:
        """Return the sorted slices; errors are those of `stack_of` and `read_enhanced`."""
        return read_enhanced(self.series)[1] if self.series.is_enhanced else stack_of(self.series)

    def voxels(self) -> tuple[npt.NDArray[np.float32], Stack]:
        """Return the voxels (slices, rows, columns) in units such as HU, and the slices.

        Raises:
            InvalidFile: the pixels of a slice are damaged, or as `stack`.
        """
        if self.series.is_enhanced:
            return read_enhanced(self.series)
        stack = stack_of(self.series)
        return np.stack([_pixels(file, stack.shape[1:]) for file in stack.files]), stack


@contextmanager
def open_series(place: ImagePath) -> Iterator[OpenSeries]:
    """Yield the files of a series while the block runs.

    Raises:
        InvalidFile: as in `dicom_files`, `read_headers` and `one_series`.
    """
    with dicom_files(place.folder) as files:
        headers = read_headers(files)
        yield OpenSeries(one_series(headers, place.series, place.folder), headers)


def read_volume(place: ImagePath) -> tuple[Voxels, Geometry]:
    """Return the voxels (z, y, x) of a series and their geometry: int16 if that holds them, else float32.

    A tilted gantry is corrected, which is a remark of the geometry.

    Raises:
        InvalidFile: as in `open_series` and `OpenSeries.voxels`.
    """
    with open_series(place) as opened:
        voxels, stack = opened.voxels()
    if stack.is_tilted:
        voxels = Upright.around(stack).corrected(voxels, stack)
    return turned(small(voxels), grid(stack), place.orientation)


def read_place(place: ImagePath) -> Geometry:
    """Return the geometry that `read_volume` returns, from the headers alone; it raises as `open_series`."""
    with open_series(place) as opened:
        own = grid(opened.stack())
    return turned(np.zeros(own.shape, np.uint8), own, place.orientation)[1]


def grid(stack: Stack) -> Geometry:
    """Return the geometry of the image that is read from a stack: z along the normal, y along rows, x along columns."""
    shape, origin = stack.shape, stack.origins[0]
    remarks: tuple[str, ...] = ()
    if stack.is_tilted:
        upright = Upright.around(stack)
        rows, columns = upright.first
        shape = upright.shape
        origin = origin + rows * stack.pixel[0] * stack.along_rows + columns * stack.pixel[1] * stack.along_columns
        line = (
            f"its slices are shifted, as by a gantry tilted by {angle(stack):.1f} degrees; it is resampled to a grid "
            "at right angles, on which label maps in NIfTI lie; DICOM files get the label map on the original slices"
        )
        remarks = (line,)
    cosines = np.stack([stack.along_columns, stack.along_rows, stack.normal], axis=1)
    spacing = (stack.step, *stack.pixel)
    return Geometry(
        shape=shape,
        spacing=spacing,
        file_spacing=spacing[::-1],
        origin=tuple(origin.tolist()),
        direction=tuple(cosines.ravel().tolist()),
        remarks=remarks,
    )


def turned(array: Voxels, geometry: Geometry, orientation: str | None) -> tuple[Voxels, Geometry]:
    """Return an array (z, y, x) and its geometry with other axes, such as "RAS"; None leaves them."""
    if orientation is None:
        return array, geometry
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(geometry.file_spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    image = sitk.DICOMOrient(image, orientation)
    x, y, z = image.GetSize()
    spacing = image.GetSpacing()
    return sitk.GetArrayFromImage(image), Geometry(
        shape=(z, y, x),
        spacing=(spacing[2], spacing[1], spacing[0]),
        file_spacing=spacing,
        origin=image.GetOrigin(),
        direction=image.GetDirection(),
        remarks=geometry.remarks,
    )


def _pixels(file: DicomFile, shape: Sequence[int]) -> npt.NDArray[np.float32]:
    try:
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(file.path), sitk.sitkFloat32))
    except RuntimeError as error:
        raise InvalidFile(f"{file.name}: its pixels cannot be read; copy it again") from error
    if array.size != np.prod(shape):
        raise InvalidFile(f"{file.name}: has pixels of shape {array.shape}; expected one number per pixel")
    return np.asarray(array.reshape(tuple(shape)), np.float32)


def small(voxels: npt.NDArray[np.float32]) -> Voxels:
    """Return voxels as int16 if that holds them, else as they are."""
    with np.errstate(invalid="ignore"):
        whole = voxels.astype(np.int16)
    return whole if np.array_equal(whole, voxels) else voxels
