"""3D TIFF stacks by tifffile. Their spacing is in CASE.json beside them, as in nnU-Net, or in their own tags."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from nnplug.arrays import LabelArray
from nnplug.contracts import SidecarReader
from nnplug.errors import InvalidFile
from nnplug.io.damaged_files import damage_named
from nnplug.io.default_reader.simpleitk import SimpleItkReader
from nnplug.io.default_reader.tiff import DEFAULT_SPACING, own_spacing
from nnplug.io.geometry import Geometry
from nnplug.io.tiff_sidecar import Spacing, sidecar_spacing
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file

_IDENTITY = tuple(np.eye(3).ravel().tolist())
_DAMAGED = (tifffile.TiffFileError, struct.error, zlib.error, ValueError, IndexError, KeyError)
_DAMAGE = "is no TIFF file, or truncated; copy it again or leave its case out."


class SidecarTiffReader(SidecarReader):
    """A reader of TIFF stacks with the spacing of CASE.json, or else 1 mm, as nnU-Net's Tiff3DIO."""

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `Reader.read`."""
        with damage_named(path, _DAMAGED, _DAMAGE), tifffile.TiffFile(path) as file:
            return np.asarray(file.asarray())[None], self._geometry(path, file)

    def read_geometry(self, path: Path) -> Geometry:
        """See `Reader.read_geometry`."""
        with damage_named(path, _DAMAGED, _DAMAGE), tifffile.TiffFile(path) as file:
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
        spacing = sidecar_spacing(path) or self._own_spacing(file)
        return Geometry((shape[0], shape[1], shape[2]), spacing, spacing[::-1], (0.0, 0.0, 0.0), _IDENTITY)

    def _own_spacing(self, file: tifffile.TiffFile) -> Spacing:  # noqa: ARG002
        """Return the spacing (z, y, x) in mm of a file without sidecar file."""
        return DEFAULT_SPACING


class TiffReader(SidecarTiffReader):
    """A reader of TIFF stacks with the spacing of CASE.json, or else of the tags that ImageJ or OME write."""

    def _own_spacing(self, file: tifffile.TiffFile) -> Spacing:
        return own_spacing(file)
