"""The writer of label maps in NIfTI, for images of any format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnplug.contracts import PredictedCase, Writer
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.io.geometry import Geometry
from nnplug.io.images import write_image, write_label


@dataclass(frozen=True)
class NiftiWriter(Writer):
    """A writer of CASE.nii.gz in the place of the image."""

    def check(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:  # noqa: ARG002
        """Return no notice: NIfTI holds every label map."""
        return ()

    def write(self, path: Path, predicted: PredictedCase) -> None:
        """See `Writer.write`."""
        write_label(path, predicted.label_map.array, predicted.label_map.geometry)

    def example(self, folder: Path) -> CaseFiles:
        """See `Writer.example`."""
        direction = tuple(np.eye(3).ravel().tolist())
        geometry = Geometry((3, 4, 5), (3.0, 1.0, 0.5), (0.5, 1.0, 3.0), (1.0, 2.0, 3.0), direction)
        write_image(folder / "example_0000.nrrd", np.arange(60, dtype=np.int16).reshape(geometry.shape), geometry)
        return CaseFiles("example", (folder / "example_0000.nrrd",))
