"""3D images by SimpleITK, turned to RAS axes when read, and back when written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from nnplug.arrays import LabelArray
from nnplug.contracts import Reader
from nnplug.errors import InvalidFile
from nnplug.io.default_reader.simpleitk import SimpleItkReader
from nnplug.io.geometry import Geometry

ORIENTATION = "RAS"
_STORED = "orientation"
"""The key in `Geometry.extra` of the orientation of the file."""


@dataclass(frozen=True)
class ReorientedReader(Reader):
    """A reader of 3D images whose axes are turned as nnU-Net's SimpleITKIOWithReorient turns them."""

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `Reader.read`."""
        channels, geometry = SimpleItkReader().read(path)
        _check(path, geometry)
        turned = [sitk.DICOMOrient(_image(channel, geometry), ORIENTATION) for channel in channels]
        return np.stack([sitk.GetArrayFromImage(image) for image in turned]), _geometry(
            turned[0], _orientation(geometry)
        )

    def read_geometry(self, path: Path) -> Geometry:
        """See `Reader.read_geometry`. The voxels are not read."""
        geometry = SimpleItkReader().read_geometry(path)
        _check(path, geometry)
        empty = _image(np.zeros(geometry.shape, np.uint8), geometry)
        return _geometry(sitk.DICOMOrient(empty, ORIENTATION), _orientation(geometry))

    def write_label(self, path: Path, array: LabelArray, geometry: Geometry) -> None:
        """See `Reader.write_label`."""
        _check(path, geometry)
        image = _image(array, geometry)
        stored = geometry.extra.get(_STORED)
        turned = image if stored is None else sitk.DICOMOrient(image, stored)
        SimpleItkReader().write_label(path, sitk.GetArrayFromImage(turned), _geometry(turned, ""))


def _check(path: Path, geometry: Geometry) -> None:
    if geometry.dimensions != 3:
        raise InvalidFile(f"{path}: is a 2D image, which has no orientation; choose the reader 'simpleitk'")


def _image(array: npt.NDArray[Any], geometry: Geometry) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(geometry.file_spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image


def _orientation(geometry: Geometry) -> str:
    """Return the orientation of an image's axes, such as "LPS"."""
    return str(sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(geometry.direction))


def _geometry(image: sitk.Image, stored: str) -> Geometry:
    x, y, z = image.GetSize()
    spacing = image.GetSpacing()
    return Geometry(
        shape=(z, y, x),
        spacing=(spacing[2], spacing[1], spacing[0]),
        file_spacing=spacing,
        origin=image.GetOrigin(),
        direction=image.GetDirection(),
        extra={_STORED: stored},
    )
