"""Refuse files that unpack to more than the server allows, or whose header names another file of the server."""

from __future__ import annotations

import gzip
import math
import re
import zipfile
import zlib
from http import HTTPStatus
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidFile
from nnplug.io.images import read_geometry
from nnplug_server.refusal import Refusal

_GZIP = b"\x1f\x8b"
_NRRD = b"NRRD"
_HEADER = 1 << 16
"""The bytes of a file in which a text header ends."""

_CHUNK = 1 << 20
_BYTES = 4
"""The bytes of a voxel in memory: images are float32."""


def check_file(path: Path, largest: int) -> None:
    """Check a file before any reader opens it.

    Args:
        path: the file.
        largest: the bytes that it may unpack to.

    Raises:
        Refusal: it unpacks to more.
        InvalidFile: its header says that the voxels are in another file, or the file is damaged.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER)
    if path.suffix == ".zip":
        _check_zip(path, largest)
    if start[:2] == _GZIP:
        _check_gzip(path, largest)
    if start[:4] == _NRRD:
        _check_nrrd(path, start, largest)
    if path.suffix in (".mha", ".mhd"):
        _check_meta(path, start, largest)


def check_size(case: CaseFiles, largest: int) -> None:
    """Check the shapes in the headers of the images of a case.

    Raises:
        Refusal: the image needs more than `largest` bytes in memory.
        InvalidFile: a file cannot be read.
    """
    shapes = [read_geometry(path, case.readers).shape for path in case.images]
    if sum(math.prod(shape) for shape in shapes) * _BYTES > largest:
        raise _too_large(case.images[0], f"has the shape {shapes[0]} (z, y, x)", largest)


def _too_large(path: Path, what: str, largest: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"{path}: {what}, and an image may have {largest} bytes in memory, 4 for each voxel; the option --max-image-mb "
        "of nnplug serve allows more",
    )


def _check_gzip(path: Path, largest: int) -> None:
    size = 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > largest:
                    raise _too_large(path, f"unpacks to more than {largest} bytes", largest)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidFile(f"{path}: is truncated or damaged ({error}); send it again") from error


def _check_zip(path: Path, largest: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise InvalidFile(f"{path}: not a readable zip file ({error}); send it again") from error
    if size > largest:
        raise _too_large(path, f"unpacks to {size} bytes", largest)


def _check_nrrd(path: Path, start: bytes, largest: int) -> None:
    header, *voxels = re.split(rb"\r?\n\r?\n", start, maxsplit=1)
    if not voxels or re.search(rb"^\s*data ?file\s*:", header, re.MULTILINE | re.IGNORECASE):
        raise _detached(path)
    _check_axes(path, re.search(rb"^sizes\s*:(.*)$", header, re.MULTILINE), 1, largest)


def _check_meta(path: Path, start: bytes, largest: int) -> None:
    header, found, data = start.partition(b"ElementDataFile")  # the first is the last field, whatever comments say
    is_field = header[-1:] in (b"", b"\n") and re.match(rb"\s*=\s*LOCAL\s*?\r?\n", data)
    if not found or not is_field:
        raise _detached(path)
    channels = re.search(rb"^\s*ElementNumberOfChannels\s*=\s*(\d+)", header, re.MULTILINE)
    sizes = re.search(rb"^\s*DimSize\s*=(.*)$", header, re.MULTILINE)
    _check_axes(path, sizes, int(channels[1]) if channels else 1, largest)


def _check_axes(path: Path, sizes: re.Match[bytes] | None, channels: int, largest: int) -> None:
    axes = [int(word) for word in sizes[1].split() if word.isdigit()] if sizes else []
    if math.prod(axes) * channels * _BYTES > largest:
        raise _too_large(path, f"has {channels} channels of the size {axes}", largest)


def _detached(path: Path) -> InvalidFile:
    return InvalidFile(f"{path}: its voxels are in another file; save header and voxels as one file and send that")
