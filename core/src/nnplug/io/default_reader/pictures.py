"""Read 2D pictures by Pillow that ITK reads otherwise than nnU-Net or not at all: 1 bit, palettes, transparency.

Files whose content is another format than their name says, as a JPEG called .png, are read as what they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from nnplug.io.damaged_files import damage_named
from nnplug.io.geometry import ALPHA, Geometry, planar_spacing

_FORMATS = ("PNG", "BMP", "JPEG", "TIFF", "GIF", "WEBP")
_WITH_ALPHA = ("LA", "PA", "RGBA")
_DAMAGED = (Image.DecompressionBombError, SyntaxError, ValueError, EOFError, struct.error)


def read(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    """Return the channels (C, 1, y, x) of a picture, and their geometry; colours of a palette are channels.

    Raises:
        InvalidFile: the file is no picture, or damaged.
    """
    with _opened(path) as image:
        palette = image.palette if image.mode in ("P", "PA") else None
        shown = image if palette is None else image.convert(palette.mode)
        return _channels(np.asarray(shown)), _geometry(image, shown.mode)


def read_label(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    """Return a label map (1, 1, y, x), and its geometry; with a palette, the labels are the indices into it.

    Raises:
        InvalidFile: as in `read`.
    """
    with _opened(path) as image:
        return _channels(np.asarray(image)), _geometry(image, image.mode)


def read_geometry(path: Path) -> Geometry:
    """Return the geometry of a picture from its header; it raises as `read`."""
    with _opened(path) as image:
        return _geometry(image, image.mode)


def _channels(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return pixels[None, None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)[:, None]


def _geometry(image: Image.Image, mode: str) -> Geometry:
    return flat_geometry(image.height, image.width, has_alpha=mode in _WITH_ALPHA)


def flat_geometry(height: int, width: int, *, has_alpha: bool = False) -> Geometry:
    """Return the geometry of a 2D image without spacing, in pixels."""
    return Geometry(
        shape=(1, height, width),
        spacing=planar_spacing(1, 1),
        file_spacing=(1.0, 1.0),
        origin=(0.0, 0.0),
        direction=(1.0, 0.0, 0.0, 1.0),
        extra={ALPHA: True} if has_alpha else {},
    )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Yield the opened picture, and turn errors of Pillow into `InvalidFile`."""
    with damage_named(path, _DAMAGED):
        try:
            image = Image.open(path, formats=_FORMATS)
        except UnidentifiedImageError as error:
            raise ValueError("no picture") from error
        with image:
            yield image
