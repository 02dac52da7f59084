"""The component `foreign-volumes` of kind writer."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from nnplug.contracts import PredictedCase, Writer
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.io.geometry import Geometry
from nnplug.io.images import write_image
from nnplug.runtime.json_files import write_json

FLAT = (".png", ".bmp")
"""The endings of images without a spacing."""


@dataclass(frozen=True)
class Volumes(Writer):
    """The slices and the volume of each class in ml, and a checksum of the label map, as JSON.

    Attributes:
        digits: the digits after the point.
    """

    digits: int = 3

    def check(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:
        """See `Writer.check`. Pictures are refused, since they have no volume."""
        if case.images[0].name.endswith(FLAT):
            raise NnplugError(f"{case.images[0]}: a picture has no volume; leave out this writer")
        return ("regions overlap, so their volumes have no sum",) if description.labels.has_regions else ()

    def write(self, path: Path, predicted: PredictedCase) -> None:
        """See `Writer.write`."""
        array, labels = predicted.label_map.array, predicted.description.labels
        voxel = prod(predicted.label_map.geometry.spacing) / 1000
        masks = {name: np.isin(array, v) for name, v in zip(labels.foreground_names, labels.foreground, strict=True)}
        volumes = {name: round(float(np.count_nonzero(mask) * voxel), self.digits) for name, mask in masks.items()}
        slices = {name: np.flatnonzero(mask.any(axis=(1, 2))).tolist() for name, mask in masks.items()}
        told = {"model": predicted.model, "volume_ml": volumes, "slices": slices}
        write_json(path, {**told, "crc32": zlib.crc32(np.ascontiguousarray(array).data)})

    def example(self, folder: Path) -> CaseFiles:
        """See `Writer.example`."""
        direction = tuple(np.eye(3).ravel().tolist())
        geometry = Geometry((2, 3, 4), (3.0, 1.0, 1.0), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), direction)
        image = folder / "example_0000.nii.gz"
        write_image(image, np.arange(24, dtype=np.int16).reshape(geometry.shape), geometry)
        return CaseFiles("example", (image,))
