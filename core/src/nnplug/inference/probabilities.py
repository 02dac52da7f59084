"""Probability maps in nnU-Net's file format: CASE.npz with `probabilities` (K, z, y, x), float32."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
import numpy.typing as npt
import torch

from nnplug.errors import InvalidFile
from nnplug.runtime.files import atomic_file
from nnplug.runtime.memmap import memmapped

KEY = "probabilities"
_FAST = 1  # zlib's level; higher levels hardly reduce the size of probabilities


def write_probabilities(path: Path, volumes: Iterable[npt.NDArray[np.float32]], shape: tuple[int, ...]) -> None:
    """Write volumes one after the other into one array of an npz file, atomically. One is in memory at a time.

    Args:
        path: the file; its name ends in .npz.
        volumes: K arrays (z, y, x) float32.
        shape: (K, z, y, x).

    Raises:
        NnplugError: the disk is full or the folder cannot be written.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype("<f4")), "fortran_order": False, "shape": shape}
    with (
        atomic_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive,
        archive.open(f"{KEY}.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for volume in volumes:
            for plane in volume:
                member.write(np.ascontiguousarray(plane, "<f4").data)


@dataclass(frozen=True)
class Probabilities:
    """Probabilities on an image's grid.

    Attributes:
        values: (K, z, y, x) float32.
    """

    values: torch.Tensor

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape (K, z, y, x): the number of outputs, and the shape of the image."""
        k, z, y, x = self.values.shape
        return k, z, y, x

    def planes(self) -> Iterator[torch.Tensor]:
        """Yield (K, y, x) float32 for each z of the image."""
        yield from self.values.unbind(1)


def read_probabilities(path: Path, folder: Path) -> Probabilities:
    """Return the probabilities in an npz file of nnplug or nnU-Net; one class is in memory at a time.

    Args:
        path: the file; its name ends in .npz.
        folder: a folder on the disk for memory-mapped values, see `nnplug.runtime.memmap`.

    Raises:
        InvalidFile: the file is missing or damaged, or has no `probabilities` (K, z, y, x) of floating point numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{KEY}.npy") as member:
            return Probabilities(_read_array(member, archive.getinfo(member.name).file_size, folder))
    except _DAMAGED as error:
        raise InvalidFile(f"{path}: cannot be read as probabilities ({error}); predict the case again") from error


_DAMAGED = (OSError, KeyError, ValueError, EOFError, TokenError, SyntaxError, zipfile.BadZipFile, zlib.error)
"""The errors of a damaged archive and of numpy's parser of headers."""


def _read_array(member: IO[bytes], size: int, folder: Path) -> torch.Tensor:
    """Return the array in a member of `size` bytes."""
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError("its layout is newer than that of npz files by numpy 1 and 2")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(member)
    if len(shape) != 4 or dtype.kind != "f" or fortran_order:
        raise ValueError(f"it holds {dtype} of shape {shape}, expected floating point numbers (C, z, y, x)")
    volume_bytes = dtype.itemsize * math.prod(shape[1:])
    if min(shape) < 1 or size - member.tell() != shape[0] * volume_bytes:
        raise ValueError(f"it has {size} bytes, not those of the shape {shape}")
    values = memmapped(shape, folder)
    for volume in values:
        data = member.read(volume_bytes)
        volume.copy_(torch.from_numpy(np.frombuffer(data, dtype).reshape(shape[1:]).astype(np.float32)))
    return values
