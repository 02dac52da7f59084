"""The default reader, on SimpleITK, with a fast path for plain NIfTI files.

Arrays are (z, y, x) as in SimpleITK; 2D images are (1, y, x). Spacings follow nnU-Net's readers, because plans depend
on them: `Geometry` lists the rules.
"""

from __future__ import annotations

import errno
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from nnplug.arrays import LabelArray
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.geometry import Geometry
from nnplug.io.integrity import is_intact
from nnplug.io.nifti import read_plain
from nnplug.io.reader import ImageWriter, SidecarReader
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file, read_json, write_json

TIFF = (".tif", ".tiff")
_FLAT = (".png", ".bmp")
WITHOUT_SPACING = (".png", ".bmp", *TIFF)
_REMEMBERED = 10_000  # geometries, about a kilobyte each


class SimpleItkReader(ImageWriter, SidecarReader):
    """A reader of all formats of ITK: NIfTI, NRRD, MetaImage, PNG, BMP, TIFF."""

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `Reader.read`."""
        plain = _read_plain(path)
        return _read_by_itk(path) if plain is None else plain

    def read_geometry(self, path: Path) -> Geometry:
        """See `Reader.read_geometry`."""
        return _geometry(path, _open(path))

    def write_label(self, path: Path, array: LabelArray, geometry: Geometry) -> None:
        """See `Reader.write_label`."""
        if path.suffix == ".bmp" and array.dtype != np.uint8:
            raise NnplugError(f"{path}: bmp holds label values up to 255, not {array.max()}. Use png images.")
        if geometry.dimensions == 3 and path.suffix in _FLAT:
            raise NnplugError(f"{path}: {path.suffix[1:]} holds 2D images, not {array.shape} (z, y, x). Use nii.gz.")
        self.write_image(path, array, geometry)
        self.write_sidecars(path, geometry)

    def write_image(self, path: Path, array: npt.NDArray[Any], geometry: Geometry) -> None:
        """See `ImageWriter.write_image`."""
        image = sitk.GetImageFromArray(np.ascontiguousarray(array if geometry.dimensions == 3 else array[0]))
        image.SetSpacing(geometry.file_spacing)
        image.SetOrigin(geometry.origin)
        image.SetDirection(geometry.direction)
        with atomic_file(path) as temporary:
            _write(image, temporary)

    def read_with(self, path: Path) -> tuple[Path, ...]:
        """See `SidecarReader.read_with`: a TIFF has its spacing in CASE.json or CASE_0000.json."""
        return _sidecars(path) if path.name.lower().endswith(TIFF) else ()

    def written_with(self, path: Path) -> tuple[Path, ...]:
        """See `SidecarReader.written_with`."""
        return (path.with_suffix(".json"),) if path.name.lower().endswith(TIFF) else ()

    def write_sidecars(self, path: Path, geometry: Geometry) -> None:
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


def _read_plain(path: Path) -> tuple[npt.NDArray[Any], Geometry] | None:
    """Return as `SimpleItkReader.read` does, faster than ITK; None if ITK must read the file or name its fault."""
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
        return (tiff_spacing(path) or (1.0, 1.0, 1.0)) if len(spacing) == 3 else (999.0, 1.0, 1.0)
    x, y = spacing[:2]
    return (spacing[2] if len(spacing) == 3 else 999 * max(x, y)), y, x


def tiff_spacing(path: Path) -> tuple[float, float, float] | None:
    """Return the spacing (z, y, x) in mm that CASE.json or CASE_0000.json has for CASE_0000.tif, or None without them.

    Raises:
        InvalidFile: the file has no three lengths.
    """
    sidecar = next((file for file in _sidecars(path) if file.is_file()), None)
    if sidecar is None:
        return None
    raw = read_json(sidecar)
    spacing = raw.get("spacing") if isinstance(raw, dict) else None
    if not isinstance(spacing, list) or len(spacing) != 3 or not all(_is_length(s) for s in spacing):
        raise InvalidFile(f"{sidecar}: 'spacing' is {spacing!r}; expected three lengths in mm, (z, y, x)")
    return float(spacing[0]), float(spacing[1]), float(spacing[2])


def _sidecars(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".json"), path.with_name(re.sub(r"_\d{4}$", "", path.stem) + ".json")


def _is_length(value: Any) -> bool:
    return isinstance(value, (int, float)) and value > 0
