"""Read images and write label maps with SimpleITK, by the rules of nnU-Net's readers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from nnplug_runtime import nifti
from nnplug_runtime.faults import Fault
from nnplug_runtime.geometry import Geometry, Image, Labels, as_in_file, orientation
from nnplug_runtime.outputs import atomic_file

PICTURES = (".png", ".bmp")
ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", *PICTURES)
"""The endings of files that are read and written."""

_TOLERANCE = 1e-4
_PNG_COLOURS = (0, 2, 6)
"""Colour types of PNG that ITK reads as nnU-Net does: gray, RGB and RGBA."""


def ending_of(path: Path) -> str | None:
    """Return the ending of an image's name as it stands there, such as ".nii.gz"; None for other files."""
    name = path.name.lower()
    found = max((one for one in ENDINGS if name.endswith(one)), key=len, default=None)
    return None if found is None else path.name[-len(found) :]


def read_image(paths: Sequence[Path]) -> Image:
    """Return the image of a case, read from one file per channel or from files with several channels.

    Raises:
        Fault: a file is missing, damaged or not an image, a voxel is NaN or infinite, or two files differ in shape,
            spacing or in the order of their voxels.
    """
    channels = [_read(path) for path in paths]
    (_, first), where = channels[0], paths[0]
    for path, (_, own) in zip(paths[1:], channels[1:], strict=True):
        if own.shape != first.shape:
            raise Fault(f"{where} has shape {first.shape}, {path} has {own.shape} (z, y, x).")
        if not np.allclose(own.spacing, first.spacing, rtol=_TOLERANCE, atol=0):
            raise Fault(f"{where} has spacing {first.spacing}, {path} has {own.spacing} mm (z, y, x).")
        if orientation(own) != orientation(first):
            raise Fault(f"{path}: its axes point to {orientation(own)}, those of {where} to {orientation(first)}")
    array = np.concatenate([array for array, _ in channels], dtype=np.float32, casting="unsafe")
    for path, part in zip(paths, np.array_split(array, len(paths)), strict=True):
        if wrong := int(np.count_nonzero(~np.isfinite(part))):
            raise Fault(f"{path}: {wrong} voxels are NaN or infinite, which readers may take for 0; replace them.")
    return Image(array, first)


def write_labels(path: Path, labels: Labels, geometry: Geometry) -> None:
    """Write a label map (z, y, x) atomically in the smallest unsigned integer type, in the place of its image.

    Raises:
        Fault: the format cannot hold the values, or the file cannot be written.
    """
    dtype = np.min_scalar_type(int(labels.max(initial=0)))
    if path.suffix.lower() == ".bmp" and dtype != np.uint8:
        raise Fault(f"{path}: bmp holds label values up to 255, not {labels.max()}. Use png images.")
    stored = np.ascontiguousarray(as_in_file(labels.astype(dtype, copy=False), geometry))
    image = sitk.GetImageFromArray(stored if len(geometry.file_spacing) == 3 else stored[0])
    image.SetSpacing(geometry.file_spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    with atomic_file(path) as temporary:
        _write(image, temporary, path)


def _write(image: sitk.Image, temporary: Path, path: Path) -> None:
    # a .mhd file names a separate data file; with the data inside (.mha) the file is valid under either ending
    lower = temporary.name.lower()
    target = temporary.with_name(lower[:-4] + ".mha" if lower.endswith(".mhd") else lower)
    try:
        sitk.WriteImage(image, str(target), useCompression=True)
        if lower.endswith(nifti.ENDINGS) and not nifti.is_whole(target):
            raise Fault(f"{path}: cannot be written whole; make room on the disk")
        target.replace(temporary)
    except RuntimeError as error:
        raise Fault(f"{path}: SimpleITK could not write it; is there room on the disk?") from error
    finally:
        if target != temporary:
            target.unlink(missing_ok=True)


def _read(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    try:
        voxels = nifti.read_voxels(path) if path.name.lower().endswith(nifti.ENDINGS) else None
        if path.stat().st_size == 0:
            raise Fault(f"{path}: is empty or truncated; copy it again or leave its case out.")
        _check_picture(path)
    except OSError as error:
        raise Fault(f"{path}: cannot be read ({error.strerror or error}).") from error
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        geometry = _geometry(path, reader)
        if voxels is not None:
            return voxels.reshape(-1, *geometry.shape), geometry
        array = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise Fault(f"{path}: cannot be read as an image ({_cause(path, error)}); convert it.") from error
    if reader.GetNumberOfComponents() > 1:
        array = np.moveaxis(array, -1, 0)
    return array.reshape(-1, *geometry.shape), geometry


def _geometry(path: Path, header: sitk.ImageFileReader) -> Geometry:
    axes, size, several = header.GetDimension(), header.GetSize(), header.GetNumberOfComponents() > 1
    if not 2 <= axes <= (3 if several else 4):
        raise Fault(f"{path}: has size {size}; expected a 2D or 3D image, or 3D with channels last.")
    spatial = min(axes, 3)
    x, y, z = (*size[:spatial], 1)[:3]
    spacing = tuple(abs(s) for s in header.GetSpacing()[:spatial])
    cosines = np.reshape(header.GetDirection(), (axes, axes))[:spatial, :spatial]
    slices = spacing[2] if spatial == 3 else 999 * max(spacing)
    planning = (slices, spacing[1], spacing[0])
    return Geometry(
        shape=(z, y, x),
        spacing=(999.0, 1.0, 1.0) if path.name.lower().endswith(PICTURES) else planning,
        file_spacing=spacing,
        origin=header.GetOrigin()[:spatial],
        direction=tuple(cosines.ravel().tolist()),
    )


def _check_picture(path: Path) -> None:
    """Raise `Fault` for pictures that ITK reads otherwise than nnU-Net: palettes, 1 bit, transparent colours."""
    name = path.name.lower()
    if not name.endswith(PICTURES):
        return
    data = path.read_bytes()
    if name.endswith(".bmp"):
        plain = data[:2] == b"BM" and int.from_bytes(data[28:30], "little") == 24
    else:
        whole = data[:8] == b"\x89PNG\r\n\x1a\n" and b"IEND\xaeB`\x82" in data
        plain = whole and data[24] >= 8 and data[25] in _PNG_COLOURS and b"tRNS" not in data.partition(b"IDAT")[0]
    if not plain:
        raise Fault(f"{path}: is damaged, or no plain gray or RGB picture; save it as such")


def _cause(path: Path, error: RuntimeError) -> str:
    """Return the words of ITK about a file, without the place in its sources."""
    text = str(error).rpartition("ERROR:")[2]
    words = " ".join(re.sub(r"\w+\(0x[0-9a-f]+\):", "", text.replace(str(path), path.name)).split())
    return words[:200].rstrip(" .;") or "no cause given"
