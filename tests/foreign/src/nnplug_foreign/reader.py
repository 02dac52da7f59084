"""The component `foreign-npy` of kind reader."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.contracts import SidecarReader
from nnplug.errors import InvalidFile
from nnplug.io.geometry import Geometry
from nnplug.runtime.files import atomic_file
from nnplug.runtime.json_files import write_json


@dataclass(frozen=True)
class NpyReader(SidecarReader):
    """Volumes (z, y, x) or (C, z, y, x) in CASE.npy, with {"spacing": [z, y, x], "origin": [x, y, z]} in CASE.json."""

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `Reader.read`."""
        array = _load(path)
        return array.reshape(-1, *array.shape[-3:]), _geometry(path, array.shape)

    def read_geometry(self, path: Path) -> Geometry:
        """See `Reader.read_geometry`."""
        return _geometry(path, _load(path, memory_mapped="r").shape)

    def write_label(self, path: Path, array: LabelArray, geometry: Geometry) -> None:
        """See `Reader.write_label`."""
        if geometry.dimensions != 3:
            raise InvalidFile(f"{path}: npy files of this lab are 3D")
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, array)
        self.write_sidecars(path, geometry)

    def read_with(self, path: Path) -> tuple[Path, ...]:
        """See `SidecarReader.read_with`."""
        return (path.with_suffix(".json"),)

    def written_with(self, path: Path) -> tuple[Path, ...]:
        """See `SidecarReader.written_with`."""
        return self.read_with(path)

    def write_sidecars(self, path: Path, geometry: Geometry) -> None:
        """See `SidecarReader.write_sidecars`."""
        write_json(path.with_suffix(".json"), {"spacing": list(geometry.spacing), "origin": list(geometry.origin)})


def _load(path: Path, memory_mapped: Any = None) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode=memory_mapped)
    except (ValueError, EOFError) as error:
        raise InvalidFile(f"{path}: cannot be read as npy ({error}); copy it again") from error
    if array.ndim not in (3, 4):
        raise InvalidFile(f"{path}: has shape {array.shape}; expected (z, y, x) or (C, z, y, x)")
    return array


def _geometry(path: Path, shape: tuple[int, ...]) -> Geometry:
    sidecar = path.with_suffix(".json")
    try:
        place = json.loads(sidecar.read_text())
        z, y, x = (float(length) for length in place["spacing"])
        origin = tuple(float(value) for value in place["origin"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidFile(f"{sidecar}: holds no spacing and origin of {path.name} ({error})") from error
    direction = tuple(np.eye(3).ravel().tolist())
    return Geometry((shape[-3], shape[-2], shape[-1]), (z, y, x), (x, y, z), origin, direction)
