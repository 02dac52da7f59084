"""The default reader, on SimpleITK, with a fast path for plain NIfTI files.

Arrays are (z, y, x) as in SimpleITK; 2D images are (1, y, x). Spacings follow nnU-Net's readers, because plans depend
on them: `Geometry` lists the rules.
"""

from __future__ import annotations

import errno
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from nnplug.arrays import LabelArray
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.default_reader.formats import (
    PICTURES,
    WITHOUT_SPACING,
    is_picture,
    is_tiff,
    needs_pillow,
    needs_tifffile,
)
from nnplug.io.default_reader.integrity import is_intact
from nnplug.io.default_reader.nifti import DAMAGED, is_nifti, needs_nibabel, read_plain
from nnplug.io.geometry import ALPHA, NIFTI_PLACEMENT, Geometry, planar_spacing
from nnplug.io.reader import ImageWriter, LabelReader, SidecarReader
from nnplug.io.tiff_sidecar import sidecar_spacing, sidecars
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file
from nnplug.runtime.json_files import write_json

_REMEMBERED = 10_000  # geometries, about a kilobyte each


class SimpleItkReader(ImageWriter, LabelReader, SidecarReader):
    """A reader of all formats of ITK: NIfTI, NRRD, MetaImage, PNG, BMP, TIFF.

    Files that ITK refuses, or reads otherwise than nnU-Net, are read by nibabel, Pillow or tifffile.
    """

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `Reader.read`."""
        if (other := _other(path)) is not None:
            return other.read(path)
        plain = _read_plain(path)
        return _read_by_itk(path) if plain is None else plain

    def read_label(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `LabelReader.read_label`: labels of a picture with a palette are the indices into it."""
        other = _other(path)
        return self.read(path) if other is None else other.read_label(path)

    def read_geometry(self, path: Path) -> Geometry:
        """See `Reader.read_geometry`."""
        other = _other(path)
        return _geometry(path, _open(path)) if other is None else other.read_geometry(path)

    def write_label(self, path: Path, array: LabelArray, geometry: Geometry) -> None:
        """See `Reader.write_label`."""
        if path.suffix == ".bmp" and array.dtype != np.uint8:
            raise NnplugError(f"{path}: bmp holds label values up to 255, not {array.max()}. Use png images.")
        if geometry.dimensions == 3 and path.suffix in PICTURES:
            raise NnplugError(f"{path}: {path.suffix[1:]} holds 2D images, not {array.shape} (z, y, x). Use nii.gz.")
        if NIFTI_PLACEMENT in geometry.extra and is_nifti(path):
            from nnplug.io.default_reader.nibabel_files import write_label

            write_label(path, array, geometry)
        else:
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
        return sidecars(path) if is_tiff(path) else ()

    def written_with(self, path: Path) -> tuple[Path, ...]:
        """See `SidecarReader.written_with`."""
        return (path.with_suffix(".json"),) if is_tiff(path) else ()

    def write_sidecars(self, path: Path, geometry: Geometry) -> None:
        """Write the spacing of a 3D CASE.tif to CASE.json in its folder, because TIFF files have no spacing."""
        if is_tiff(path) and geometry.dimensions == 3:
            write_json(path.with_suffix(".json"), {"spacing": list(geometry.spacing)})


def _write(image: sitk.Image, path: Path) -> None:
    # A .mhd file names a separate data file, and its name would be wrong after renaming. With the data inside (.mha)
    # the file is valid under either ending.
    # It writes no NIfTI under a name in upper case.
    lower = path.with_name(path.name[: -len(path.suffix)] + path.suffix.lower())
    target = lower.with_suffix(".mha") if lower.suffix == ".mhd" else _in_lower_case(lower)
    try:
        sitk.WriteImage(image, str(target), useCompression=True)
        if not is_intact(target):
            raise OSError(errno.ENOSPC, "the written file is incomplete")
        target.replace(path)
    except RuntimeError as error:
        raise OSError("SimpleITK could not write it") from error  # it does not say why; a full disk is the usual cause
    finally:
        if target != path:
            target.unlink(missing_ok=True)


class _Library(Protocol):
    """A module that reads some files in place of ITK."""

    def read(self, path: Path, /) -> tuple[npt.NDArray[Any], Geometry]: ...
    def read_label(self, path: Path, /) -> tuple[npt.NDArray[Any], Geometry]: ...
    def read_geometry(self, path: Path, /) -> Geometry: ...


def _other(path: Path) -> _Library | None:
    """Return the module that reads a file in place of ITK, or None. Damaged files are left to ITK."""
    try:
        stat = path.stat()
        return _other_of(path, stat.st_size, stat.st_mtime_ns)
    except (OSError, *DAMAGED):
        return None


@lru_cache(maxsize=_REMEMBERED)
def _other_of(path: Path, size: int, changed: int) -> _Library | None:
    """Return the module; each version of a file is looked at once. Modules are imported where a file needs them."""
    if is_picture(path) and needs_pillow(path):
        from nnplug.io.default_reader import pictures

        return pictures
    if is_tiff(path) and needs_tifffile(path):
        from nnplug.io.default_reader import tiff

        return tiff
    if is_nifti(path) and is_intact(path) and (_geometry_of_nifti(path, size, changed) is None or needs_nibabel(path)):
        from nnplug.io.default_reader import nibabel_files

        return nibabel_files
    return None


def _in_lower_case(path: Path) -> Path:
    """Return the path with the ending of a compressed file in lower case."""
    return path.with_name(path.name[:-7] + ".nii.gz") if path.name.lower().endswith(".nii.gz") else path


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
            f"{path}: cannot be read as an image ({_cause(path, error)}); convert it or leave its case out.",
            Action.VERIFY(),
        ) from error
    raise InvalidFile(f"{path}: is empty or truncated; copy it again or leave its case out.", Action.VERIFY())


def _cause(path: Path, error: RuntimeError) -> str:
    """Return the words of ITK about a file, without the place in its sources."""
    text = str(error).rpartition("ERROR:")[2]
    if "Unable to determine ImageIO reader" in text:
        return "its content is no format that ITK reads"
    words = " ".join(re.sub(r"\w+\(0x[0-9a-f]+\):", "", text.replace(str(path), path.name)).split())
    return words[:200].rstrip(" .;") or "no cause given"


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
            f"{path}: is truncated or damaged ({_cause(path, error)}); copy it again or leave its case out.",
            Action.VERIFY(),
        ) from error
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    return array.reshape(-1, *geometry.shape), geometry


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
        extra={ALPHA: True} if header.GetNumberOfComponents() == 4 and _has_no_spacing(path) else {},
        remarks=_order_remarks(path) if spatial == 3 else (),
    )


def _has_no_spacing(path: Path) -> bool:
    return path.name.lower().endswith(WITHOUT_SPACING)


def _order_remarks(path: Path) -> tuple[str, ...]:
    """Return a remark if the JSON file of a TIFF has its spacing in the opposite order of the file's tags."""
    beside = sidecar_spacing(path) if is_tiff(path) else None
    if beside is None or beside == beside[::-1]:
        return ()
    from nnplug.io.default_reader.tiff import order_remarks

    return order_remarks(path)


def _planning_spacing(path: Path, spacing: tuple[float, ...]) -> tuple[float, float, float]:
    """Return the spacing (z, y, x) in mm by the rules of nnU-Net's readers; see `Geometry`."""
    if _has_no_spacing(path):
        return (sidecar_spacing(path) or (1.0, 1.0, 1.0)) if len(spacing) == 3 else planar_spacing(1, 1)
    x, y = spacing[:2]
    return (spacing[2], y, x) if len(spacing) == 3 else planar_spacing(y, x)
