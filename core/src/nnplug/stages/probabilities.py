"""Probability maps in nnU-Net's file layout: CASE.npz with `probabilities` (C, z, y, x), float32."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnplug.runtime.files import atomic_file

KEY = "probabilities"
_FAST = 1  # zlib's level: probabilities hardly become smaller with more effort


def write_probabilities(path: Path, volumes: Iterable[npt.NDArray[np.float32]], shape: tuple[int, ...]) -> None:
    """Write volumes one after the other into one array of an npz file, atomically; one is held at a time.

    Args:
        path: ending in .npz.
        volumes: C times (z, y, x) float32.
        shape: (C, z, y, x).

    Raises:
        NnplugError: the disk is full or the place cannot be written.
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
