"""Read TIFF files by tifffile that ITK reads otherwise or not at all, and the spacing beside and inside TIFF files.

ITK reads float16 as integers and the first of two samples alone; it does not read tiles, 64-bit numbers or planes.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
import tifffile

from nnplug.errors import InvalidFile
from nnplug.io.damaged_files import damage_named
from nnplug.io.default_reader import pictures
from nnplug.io.default_reader.formats import has_tiff_content
from nnplug.io.geometry import ALPHA, Geometry
from nnplug.io.tiff_sidecar import Spacing, sidecar_spacing
from nnplug.remedies import Action

DEFAULT_SPACING = (1.0, 1.0, 1.0)
"""The spacing (z, y, x) in mm of stacks whose files give none."""

_MILLIMETRES = {"nm": 1e-6, "µm": 1e-3, "μm": 1e-3, "um": 1e-3, "micron": 1e-3, "microns": 1e-3, "mm": 1.0, "cm": 10.0}
"""Unit -> mm. Both Greek letters of micrometre occur in files."""
_OWN_CODECS = (1, 8, 32946, 32773, 34925)
"""Compressions that tifffile itself undoes: none, deflate, packbits and LZMA."""

_DAMAGED = (
    tifffile.TiffFileError,
    struct.error,
    zlib.error,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    ET.ParseError,
)


def read(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    """Return the channels (C, z, y, x) of the first image in a TIFF file, and their geometry.

    Raises:
        InvalidFile: the file is damaged, has more axes than a volume with channels, or needs a codec that is missing.
    """
    with damage_named(path, _DAMAGED):
        if not has_tiff_content(path):
            return pictures.read(path)
        with tifffile.TiffFile(path) as file:
            if len(file.pages) == 1 and file.pages.first.compression not in _OWN_CODECS:
                return pictures.read(path)  # tifffile needs another package to decompress it, Pillow does not
            series = file.series[0]
            geometry = _geometry(path, series)
            samples = _samples_axis(series.axes)
            array = series.asarray()
            channels = array[None] if samples is None else np.moveaxis(array, samples, 0)
            return channels.reshape(-1, *geometry.shape), geometry


def read_label(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    """Return the channels (C, z, y, x) of a label map; with a palette, the indices into it. It raises as `read`."""
    return read(path) if has_tiff_content(path) else pictures.read_label(path)


def read_geometry(path: Path) -> Geometry:
    """Return the geometry of a TIFF file from its tags; it raises as `read`."""
    with damage_named(path, _DAMAGED):
        if not has_tiff_content(path):
            return pictures.read_geometry(path)
        with tifffile.TiffFile(path) as file:
            return _geometry(path, file.series[0])


def _samples_axis(axes: str) -> int | None:
    """Return the axis of the samples of a pixel, or None."""
    return axes.index("S") if "S" in axes else None


def _geometry(path: Path, series: Any) -> Geometry:
    samples = _samples_axis(series.axes)
    shape = tuple(size for axis, size in enumerate(series.shape) if axis != samples)
    has_alpha = samples is not None and _ends_with_alpha(series.keyframe)
    if len(shape) == 2:
        return pictures.flat_geometry(*shape, has_alpha=has_alpha)
    if len(shape) != 3:
        raise InvalidFile(
            f"{path}: has axes {series.axes} of size {series.shape}; expected (z, y, x).", Action.VERIFY()
        )
    return Geometry(
        shape=(shape[0], shape[1], shape[2]),
        spacing=sidecar_spacing(path) or DEFAULT_SPACING,
        file_spacing=DEFAULT_SPACING,
        origin=(0.0, 0.0, 0.0),
        direction=tuple(np.eye(3).ravel().tolist()),
        extra={ALPHA: True} if has_alpha else {},
        remarks=order_remarks(path),
    )


def _ends_with_alpha(page: Any) -> bool:
    """Return whether the last sample of a pixel is transparency, by the tag of further samples."""
    return bool(page.extrasamples) and int(page.extrasamples[-1]) in (1, 2)


def order_remarks(path: Path) -> tuple[str, ...]:
    """Return a remark if CASE.json has the spacing of a TIFF in the opposite order of the file's own tags."""
    beside = sidecar_spacing(path)
    if beside is None or beside == beside[::-1] or not has_tiff_content(path):
        return ()
    try:
        with tifffile.TiffFile(path) as file:
            own = own_spacing(file)
    except _DAMAGED:
        return ()
    if own == DEFAULT_SPACING or np.allclose(beside, own, rtol=0.01) or not np.allclose(beside[::-1], own, rtol=0.01):
        return ()
    tags = tuple(round(length, 6) for length in own)
    return (
        f"its JSON file has spacing {beside}, its own tags have {tags} mm; the order in the JSON file is (z, y, x)",
    )


def own_spacing(file: tifffile.TiffFile) -> Spacing:
    """Return the spacing (z, y, x) in mm of the tags that ImageJ or OME write, or `DEFAULT_SPACING` without them."""
    if file.ome_metadata:
        return _ome_spacing(file.ome_metadata)
    if file.imagej_metadata:
        return _imagej_spacing(file.imagej_metadata, file.pages.first)
    return DEFAULT_SPACING


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
    return (z, y, x) if min(lengths) > 0 else DEFAULT_SPACING
