"""Read image and label files with their geometry, and write label maps on the exact grid of their image.

Arrays are (z, y, x) as in SimpleITK; 2D images are (1, y, x). Spacings follow nnU-Net's readers, because plans depend
on them: `Geometry` lists the rules.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from nnplug.arrays import LabelArray
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.integrity import is_intact
from nnplug.io.nifti import read_plain
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file, read_json, write_json

TIFF = (".tif", ".tiff")
WITHOUT_SPACING = (".png", ".bmp", *TIFF)
SPACING_TOLERANCE = 1e-4
_REMEMBERED = 10_000  # geometries, about a kilobyte each


@dataclass(frozen=True)
class Geometry:
    """The geometry of an image: shape, spacing, origin and direction.

    Attributes:
        shape: (z, y, x) in voxels; z is 1 for 2D images.
        spacing: (z, y, x) in mm, for planning. For 2D files z is 999 times the larger of the other two. png, bmp and
            2D tif have (999, 1, 1). 3D tif has the `spacing` of CASE.json in its folder, or else (1, 1, 1).
        file_spacing: (x, y) or (x, y, z) in mm, as in the file; its length is the number of spatial axes.
        origin: the centre of the first voxel, (x, y[, z]) in mm.
        direction: direction cosines of the axes, row by row.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    file_spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def dimensions(self) -> int:
        """The number of spatial axes of the file: 2 or 3."""
        return len(self.file_spacing)


@dataclass(frozen=True)
class Image:
    """The channels of a case: (C, z, y, x) float32, in the units of the file."""

    array: npt.NDArray[np.float32]
    geometry: Geometry


@dataclass(frozen=True)
class LabelMap:
    """A label map: (z, y, x) int16."""

    array: npt.NDArray[np.int16]
    geometry: Geometry


def same_spacing(a: Geometry, b: Geometry) -> bool:
    """Return whether two spacings are equal up to rounding (relative tolerance 1e-4)."""
    return bool(np.allclose(a.spacing, b.spacing, rtol=SPACING_TOLERANCE, atol=0))


def read_image(paths: Sequence[Path]) -> Image:
    """Return the image of a case, read from one file per channel or from files with several channels.

    Files with several channels are 4D, or have vector or RGB pixels; alpha is a channel too.

    Raises:
        InvalidFile: a file is missing, truncated or not an image, or two files differ in shape or spacing.
    """
    channels = [read_voxels(path) for path in paths]
    for (first, second), (a, b) in zip(pairwise(paths), pairwise(g for _, g in channels), strict=True):
        if a.shape != b.shape:
            raise InvalidFile(f"{first} has shape {a.shape}, {second} has {b.shape} (z, y, x).", Action.VERIFY())
        if not same_spacing(a, b):
            raise InvalidFile(
                f"{first} has spacing {a.spacing}, {second} has {b.spacing} mm (z, y, x).", Action.VERIFY()
            )
    array = np.concatenate([array for array, _ in channels], dtype=np.float32, casting="unsafe")
    return Image(array, channels[0][1])


def read_label(path: Path) -> LabelMap:
    """Return the label map in a file.

    Raises:
        InvalidFile: as in `read_image`; the file has several channels; or a value is not an integer that int16 holds.
    """
    array, geometry = read_voxels(path)
    if len(array) != 1:
        raise InvalidFile(f"{path}: has {len(array)} channels; a label map has one. Save it as plain label values.")
    with np.errstate(invalid="ignore"):
        labels = array[0].astype(np.int16)
    if not np.array_equal(labels, array[0]):
        value = array[0][labels != array[0]].flat[0]
        raise InvalidFile(f"{path}: holds {value:g}, which is no label value. Save whole numbers from 0 to 32767.")
    return LabelMap(labels, geometry)


def read_geometry(path: Path) -> Geometry:
    """Return the geometry of an image file; only its header is read.

    Raises:
        InvalidFile: the file is missing, truncated or not an image.
    """
    return _geometry(path, _open(path))


def write_label(path: Path, array: LabelArray, geometry: Geometry) -> None:
    """Write a label map atomically in the smallest unsigned integer type, with the geometry of its image.

    Args:
        path: the file; its ending selects the format.
        array: (z, y, x), any integer dtype, values from 0 on.
        geometry: the geometry of the image; a 2D geometry gives a 2D file.

    Raises:
        NnplugError: the disk is full, the folder cannot be written, or the format cannot hold the values.
        ValueError: the shapes of array and geometry differ.
    """
    if array.shape != geometry.shape:
        raise ValueError(f"{path}: label map has shape {array.shape}, its image {geometry.shape}")
    dtype = np.min_scalar_type(int(array.max(initial=0)))
    if path.suffix == ".bmp" and dtype != np.uint8:
        raise NnplugError(f"{path}: bmp holds label values up to 255, not {array.max()}. Use png images.")
    write_image(path, array.astype(dtype, copy=False), geometry)
    write_sidecar(path, geometry)


def write_image(path: Path, array: npt.NDArray[Any], geometry: Geometry) -> None:
    """Write one channel (z, y, x) atomically, in the dtype of the array.

    Raises:
        NnplugError: the disk is full, or the folder cannot be written.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(array if geometry.dimensions == 3 else array[0]))
    image.SetSpacing(geometry.file_spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    with atomic_file(path) as temporary:
        _write(image, temporary)


def write_sidecar(path: Path, geometry: Geometry) -> None:
    """Write the spacing of a 3D CASE.tif to CASE.json in its folder, because TIFF files have no spacing."""
    if path.name.lower().endswith(TIFF) and geometry.dimensions == 3:
        write_json(path.with_suffix(".json"), {"spacing": list(geometry.spacing)})


def _write(image: sitk.Image, path: Path) -> None:
    # A .mhd file names a separate data file, and its name would be wrong after renaming. With the data inside (.mha)
    # the file is valid under either ending.
    target = path.with_suffix(".mha") if path.suffix == ".mhd" else path
    try:
        sitk.WriteImage(image, str(target), useCompression=True)
        if not is_intact(target):
            raise OSError(errno.ENOSPC, "the written file is incomplete")
        target.replace(path)
    except RuntimeError as error:
        raise OSError(errno.EIO, "SimpleITK could not write it") from error
    finally:
        if target != path:
            target.unlink(missing_ok=True)


def _open(path: Path) -> sitk.ImageFileReader:
    """Return a reader that has read the header of a file; its `Execute` reads the voxels."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        if path.stat().st_size > 0 and is_intact(path):
            reader.ReadImageInformation()
            return reader
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be read ({error.strerror}).", Action.VERIFY()) from error
    except RuntimeError as error:
        raise InvalidFile(
            f"{path}: cannot be read as an image; convert it or leave its case out.", Action.VERIFY()
        ) from error
    raise InvalidFile(f"{path}: is empty or truncated; copy it again or leave its case out.", Action.VERIFY())


def read_voxels(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    """Return the channels (C, z, y, x) of one file, in the dtype of the file, and their geometry.

    Raises:
        InvalidFile: the file is missing, truncated or not an image.
    """
    plain = _read_plain(path)
    return _read_by_itk(path) if plain is None else plain


def _read_plain(path: Path) -> tuple[npt.NDArray[Any], Geometry] | None:
    """Return as `read_voxels` does, faster than ITK; None if ITK must read the file or name its fault."""
    try:
        voxels, stat = read_plain(path), path.stat()
    except OSError:
        return None
    geometry = None if voxels is None else _geometry_of_nifti(path, stat.st_size, stat.st_mtime_ns)
    return None if voxels is None or geometry is None else (voxels.reshape(-1, *geometry.shape), geometry)


@lru_cache(maxsize=_REMEMBERED)
def _geometry_of_nifti(path: Path, _size: int, _changed: int) -> Geometry | None:
    """Return the geometry of a complete file, or None if ITK refuses it. Each version of a file is read once."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    return _geometry(path, reader)


def _read_by_itk(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    reader = _open(path)
    geometry = _geometry(path, reader)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise InvalidFile(
            f"{path}: is truncated or damaged; copy it again or leave its case out.", Action.VERIFY()
        ) from error
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)[: 1 if _is_gray_bmp(path) else None]
    return array.reshape(-1, *geometry.shape), geometry


def _is_gray_bmp(path: Path) -> bool:
    """Return whether a file is an 8-bit BMP with a palette of gray shades, which ITK reads as three channels."""
    if path.suffix.lower() != ".bmp":
        return False
    with path.open("rb") as file:
        header = file.read(54)
        colours = int.from_bytes(header[46:50], "little") or 256
        file.seek(14 + int.from_bytes(header[14:18], "little"))
        palette = np.frombuffer(file.read(4 * colours), np.uint8)
    if int.from_bytes(header[28:30], "little") != 8:
        return False
    shades = np.arange(colours, dtype=np.uint8)
    return bool(np.all(shades == palette.reshape(-1, 4)[:, :3].T))


def _geometry(path: Path, header: sitk.ImageFileReader) -> Geometry:
    axes, size = header.GetDimension(), header.GetSize()
    several = header.GetNumberOfComponents() > 1
    if not 2 <= axes <= (3 if several else 4):
        raise InvalidFile(
            f"{path}: has size {size}; expected a 2D or 3D image, or 3D with channels last.", Action.VERIFY()
        )
    spatial = min(axes, 3)
    x, y, z = (*size[:spatial], 1)[:3]
    spacing = tuple(abs(s) for s in header.GetSpacing()[:spatial])
    cosines = np.reshape(header.GetDirection(), (axes, axes))[:spatial, :spatial]
    return Geometry(
        shape=(z, y, x),
        spacing=_planning_spacing(path, spacing),
        file_spacing=spacing,
        origin=header.GetOrigin()[:spatial],
        direction=tuple(cosines.ravel().tolist()),
    )


def _planning_spacing(path: Path, spacing: tuple[float, ...]) -> tuple[float, float, float]:
    """Return the spacing (z, y, x) in mm by the rules of nnU-Net's readers; see `Geometry`."""
    if path.name.lower().endswith(WITHOUT_SPACING):
        return _sidecar_spacing(path) if len(spacing) == 3 else (999.0, 1.0, 1.0)
    x, y = spacing[:2]
    return (spacing[2] if len(spacing) == 3 else 999 * max(x, y)), y, x


def _sidecar_spacing(path: Path) -> tuple[float, float, float]:
    case = path.with_name(re.sub(r"_\d{4}$", "", path.stem) + ".json")
    sidecar = next((file for file in (path.with_suffix(".json"), case) if file.is_file()), None)
    if sidecar is None:
        return 1.0, 1.0, 1.0
    raw = read_json(sidecar)
    spacing = raw.get("spacing") if isinstance(raw, dict) else None
    if not isinstance(spacing, list) or len(spacing) != 3 or not all(_is_length(s) for s in spacing):
        raise InvalidFile(f"{sidecar}: 'spacing' is {spacing!r}; expected three lengths in mm, (z, y, x)")
    return float(spacing[0]), float(spacing[1]), float(spacing[2])


def _is_length(value: Any) -> bool:
    return isinstance(value, (int, float)) and value > 0
