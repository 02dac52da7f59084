"""Read NIfTI files by nibabel: those whose placement ITK refuses, and .nii files whose values or units ITK converts.

nnU-Net reads .nii files by nibabel, which takes the numbers in the header as mm. Label maps get the placement of their
image as it stands in the header, so that an affine matrix with shear is kept.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from nnplug.arrays import LabelArray
from nnplug.errors import InvalidFile
from nnplug.io.damaged_files import damage_named
from nnplug.io.default_reader.nifti import GZIP, opened
from nnplug.io.geometry import NIFTI_PLACEMENT, Geometry
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file

_TO_LPS = np.diag([-1.0, -1.0, 1.0])
"""nibabel's axes point right, anterior, superior; ITK's, as in `Geometry`, left, posterior, superior."""

_PLACEMENT = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
_DAMAGED = (ImageFileError, HeaderDataError, EOFError, zlib.error, gzip.BadGzipFile, struct.error, ValueError)
_SECOND = ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
"""The first bytes of NIfTI-2."""

_RIGHT = 0.05
"""Degrees up to which axes count as at right angles."""

_FLAT_LENGTH = 1e-9
"""A column of an affine matrix that is shorter, in mm, has no direction."""

Matrix = npt.NDArray[np.float64]


def read(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    """Return the channels (C, z, y, x) of a NIfTI file with three or four axes, and their geometry.

    Raises:
        InvalidFile: nibabel cannot read the file either, or it has other axes.
    """
    with damage_named(path, _DAMAGED):
        image = _load(path)
        geometry = _geometry(image, path)
        voxels = np.asanyarray(image.dataobj)
        if voxels.dtype.names is not None:
            raise InvalidFile(f"{path}: holds colours; save a file per channel.", Action.VERIFY())
        return voxels.T.reshape(-1, *geometry.shape), geometry


def read_label(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    """Return the channels (C, z, y, x) of a label map, and their geometry; it raises as `read`."""
    return read(path)


def read_geometry(path: Path) -> Geometry:
    """Return the geometry of a NIfTI file from its header; it raises as `read`."""
    with damage_named(path, _DAMAGED):
        return _geometry(_load(path), path)


def write_label(path: Path, array: LabelArray, geometry: Geometry) -> None:
    """Write a label map (z, y, x) atomically, with the placement that `geometry.extra` has from the image."""
    image = nibabel.Nifti1Image(array.transpose(2, 1, 0), None)
    for key, value in geometry.extra[NIFTI_PLACEMENT].items():
        image.header[key] = value
    with atomic_file(path) as temporary:
        nibabel.save(image, temporary)


def _load(path: Path) -> Any:
    """Return the image in a file, compressed or not, whatever its name says."""
    with path.open("rb") as file:
        start = file.read(2)
    if (start == GZIP) == path.name.lower().endswith(".gz"):
        return nibabel.load(path)
    with opened(path) as file:
        content = file.read()
    kind: Any = nibabel.Nifti2Image if content[:4] in _SECOND else nibabel.Nifti1Image
    return kind.from_bytes(content)


def _geometry(image: Any, path: Path) -> Geometry:
    if not 3 <= image.ndim <= 4:
        raise InvalidFile(f"{path}: has size {image.shape}; expected a 3D image, or 3D with channels.", Action.VERIFY())
    x, y, z = image.shape[:3]
    placement = place(image)
    zooms = [float(zoom) for zoom in image.header.get_zooms()[:3]]
    spacing = zooms if path.name.lower().endswith(".nii") else list(placement.lengths)
    return Geometry(
        shape=(z, y, x),
        spacing=(spacing[2], spacing[1], spacing[0]),
        file_spacing=tuple(spacing),
        origin=placement.origin,
        direction=placement.direction,
        extra={NIFTI_PLACEMENT: {key: image.header[key].tolist() for key in _PLACEMENT}},
        remarks=placement.remarks,
    )


@dataclass(frozen=True)
class Placement:
    """The place of a NIfTI image in ITK's axes.

    Attributes:
        lengths: the lengths of the columns of the affine matrix, (x, y, z) in mm.
        origin: the centre of the first voxel, (x, y, z) in mm.
        direction: the cosines of the nearest axes at right angles, row by row.
        remarks: what a user should know about the affine matrix.
        has_directions: whether the header has directions; without them, the order of the voxels is taken as it is.
    """

    lengths: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    remarks: tuple[str, ...]
    has_directions: bool


def place(image: Any) -> Placement:
    """Return the place of an image that nibabel has opened.

    Raises:
        ValueError: the header has neither directions nor voxel sizes.
    """
    affine, remark = _invertible(image)
    columns = _TO_LPS @ affine[:3, :3]
    lengths = np.linalg.norm(columns, axis=0)
    cosines, angle = _orthonormal(columns / lengths)
    sheared = (
        f"its axes are not at right angles ({angle:.1f} degrees off); it is read with the nearest axes that are, and "
        "label maps keep its affine matrix"
    )
    return Placement(
        lengths=tuple(lengths.tolist()),
        origin=tuple((_TO_LPS @ affine[:3, 3]).tolist()),
        direction=tuple(cosines.ravel().tolist()),
        remarks=(remark,) if remark else (sheared,) if angle > _RIGHT else (),
        has_directions=not remark,
    )


def _invertible(image: Any) -> tuple[Matrix, str]:
    """Return the affine matrix, or one made of the voxel sizes if it has no directions, with a remark then."""
    affine: Matrix = np.asarray(image.affine, np.float64)
    if np.isfinite(affine).all():
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        if lengths.min() > _FLAT_LENGTH and abs(np.linalg.det(affine[:3, :3] / lengths)) > 1e-3:
            return affine, ""
    base: Matrix = np.asarray(image.header.get_base_affine(), np.float64)
    lengths = np.linalg.norm(base[:3, :3], axis=0)
    if not np.isfinite(base).all() or lengths.min() <= _FLAT_LENGTH:
        raise ValueError("its header has neither directions nor voxel sizes")
    return base, "its header has no directions of the axes; the order of the voxels is taken as it is"


def _orthonormal(units: Matrix) -> tuple[Matrix, float]:
    """Return the nearest orthonormal axes to three unit columns, and the largest deviation from right angles."""
    left, _, right = np.linalg.svd(units)
    between = np.clip((units.T @ units)[np.triu_indices(3, 1)], -1, 1)
    return left @ right, float(np.degrees(np.arcsin(np.abs(between))).max())
