"""3D TIFF stacks by tifffile. Their spacing is in CASE.json beside them, as in nnU-Net, or in their own tags."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
import tifffile

from nnplug.arrays import LabelArray
from nnplug.contracts import SidecarReader
from nnplug.errors import InvalidFile
from nnplug.io.geometry import Geometry
from nnplug.io.simpleitk import SimpleItkReader, tiff_spacing
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file

Spacing = tuple[float, float, float]

_UNKNOWN: Spacing = (1.0, 1.0, 1.0)
_IDENTITY = tuple(np.eye(3).ravel().tolist())
_MILLIMETRES = {"nm": 1e-6, "µm": 1e-3, "μm": 1e-3, "um": 1e-3, "micron": 1e-3, "microns": 1e-3, "mm": 1.0, "cm": 10.0}
"""Unit -> mm. Both Greek letters of micrometre occur in files."""
_DAMAGED = (tifffile.TiffFileError, struct.error, zlib.error, ValueError, IndexError, KeyError)


class SidecarTiffReader(SidecarReader):
    """A reader of TIFF stacks with the spacing of CASE.json, or else 1 mm, as nnU-Net's Tiff3DIO."""

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `Reader.read`."""
        with _reading(path), tifffile.TiffFile(path) as file:
            return np.asarray(file.asarray())[None], self._geometry(path, file)

    def read_geometry(self, path: Path) -> Geometry:
        """See `Reader.read_geometry`."""
        with _reading(path), tifffile.TiffFile(path) as file:
            return self._geometry(path, file)

    def write_label(self, path: Path, array: LabelArray, geometry: Geometry) -> None:
        """See `Reader.write_label`."""
        if geometry.dimensions != 3:
            raise InvalidFile(f"{path}: the reader of tifffile writes 3D stacks; choose the reader 'simpleitk'")
        with atomic_file(path) as temporary:
            tifffile.imwrite(temporary, array, compression="zlib", photometric="minisblack")
        self.write_sidecars(path, geometry)

    def read_with(self, path: Path) -> tuple[Path, ...]:
        """See `SidecarReader.read_with`: CASE.json or CASE_0000.json."""
        return SimpleItkReader().read_with(path)

    def written_with(self, path: Path) -> tuple[Path, ...]:
        """See `SidecarReader.written_with`."""
        return SimpleItkReader().written_with(path)

    def write_sidecars(self, path: Path, geometry: Geometry) -> None:
        """Write the spacing to CASE.json."""
        SimpleItkReader().write_sidecars(path, geometry)

    def _geometry(self, path: Path, file: tifffile.TiffFile) -> Geometry:
        shape = file.series[0].shape
        if len(shape) != 3:
            raise InvalidFile(
                f"{path}: has shape {shape}; tifffile's reader takes 3D stacks, 'simpleitk' 2D images.", Action.VERIFY()
            )
        spacing = tiff_spacing(path) or self._own_spacing(file)
        return Geometry((shape[0], shape[1], shape[2]), spacing, spacing[::-1], (0.0, 0.0, 0.0), _IDENTITY)

    def _own_spacing(self, file: tifffile.TiffFile) -> Spacing:  # noqa: ARG002
        """Return the spacing (z, y, x) in mm of a file without sidecar file."""
        return _UNKNOWN


class TiffReader(SidecarTiffReader):
    """A reader of TIFF stacks with the spacing of CASE.json, or else of the tags that ImageJ or OME write."""

    def _own_spacing(self, file: tifffile.TiffFile) -> Spacing:
        if file.ome_metadata:
            return _ome_spacing(file.ome_metadata)
        if file.imagej_metadata:
            return _imagej_spacing(file.imagej_metadata, file.pages.first)
        return _UNKNOWN


def _ome_spacing(xml: str) -> Spacing:
    pixels = next((e for e in ET.fromstring(xml).iter() if e.tag.endswith("Pixels")), None)  # noqa: S314
    values = {} if pixels is None else pixels.attrib
    lengths = [
        float(values.get(f"PhysicalSize{axis}", 0)) * _millimetres(values.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis in "ZYX"
    ]
    return _complete(lengths)


def _imagej_spacing(metadata: Mapping[str, Any], page: Any) -> Spacing:
    unit = _millimetres(str(metadata.get("unit", "")))
    per_voxel = [_per_unit(page.tags.get(name)) for name in ("YResolution", "XResolution")]
    return _complete([float(metadata.get("spacing", 0)) * unit, *(length * unit for length in per_voxel)])


def _per_unit(tag: Any) -> float:
    """Return the length of a voxel from a tag with voxels per unit, a fraction; 0 if there is none."""
    if tag is None or not tag.value[0]:
        return 0.0
    return float(tag.value[1]) / float(tag.value[0])


def _millimetres(unit: str) -> float:
    """Return the length of a unit in mm; 0 for other units, such as pixels."""
    return _MILLIMETRES.get(re.sub(r"\\u00B5", "µ", unit), 0.0)


def _complete(lengths: list[float]) -> Spacing:
    """Return three lengths, or 1 mm for all if one is missing: a mixture of both would be wrong."""
    z, y, x = lengths
    return (z, y, x) if min(lengths) > 0 else _UNKNOWN


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise InvalidFile(
            f"{path}: is no TIFF file, or truncated; copy it again or leave its case out.", Action.VERIFY()
        ) from error
