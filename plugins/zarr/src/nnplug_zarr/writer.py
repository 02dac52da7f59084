"""The component `ome-zarr` of kind writer: label maps in the group `labels` of OME-Zarr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnplug.contracts import DatasetWriter, PredictedCase, PredictingModel
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.io.geometry import Geometry
from nnplug.io.images import read_geometry
from nnplug.runtime.files import atomic_file
from nnplug_zarr.reader import OmeZarrReader

if TYPE_CHECKING:
    from nnplug_zarr.contents import Version

_PLACE = Geometry((3, 4, 5), (3.0, 1.0, 0.5), (0.5, 1.0, 3.0), (1.0, 2.0, 3.0), tuple(np.eye(3).ravel().tolist()))


@dataclass(frozen=True)
class OmeZarrWriter(DatasetWriter):
    """A writer of CASE.ome.zarr/labels/NAME with scale and translation of the image, and the names of label values.

    Attributes:
        name: the name of the label map in `labels`; letters, digits, "-" and "_".
        version: the version of NGFF: 0.5 (zarr 3) or 0.4 (zarr 2).
    """

    name: str = "nnplug"
    version: float = 0.5

    def __post_init__(self) -> None:
        """Raise `ValueError` for a name that is no name of a folder, or an unknown version."""
        if not (self.name.isascii() and self.name.replace("-", "").replace("_", "").isalnum()):
            raise ValueError(f"name is {self.name!r}; expected letters, digits, '-' and '_'")
        if self.version not in (0.4, 0.5):
            raise ValueError(f"version is {self.version}; expected 0.4 or 0.5")

    @property
    def _version(self) -> Version:
        return "0.4" if self.version == 0.4 else "0.5"

    def check(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:  # noqa: ARG002
        """Return no notice: OME-Zarr holds every label map."""
        return ()

    def files(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:  # noqa: ARG002
        """Return the metadata and the only chunk or shard, see `nnplug.contracts.DatasetWriter`."""
        from nnplug_zarr.contents import label_paths

        try:
            dimensions = read_geometry(case.images[0], case.readers).dimensions
        except NnplugError:  # a damaged image fails when it is predicted, and the others are not held up
            dimensions = 3
        return tuple(f"{case.name}.ome.zarr/{path}" for path in label_paths(self.name, self._version, dimensions))

    def shared_files(self) -> tuple[str, ...]:
        """Return no file: every case is a folder of its own."""
        return ()

    def shared(
        self,
        folder: Path,  # noqa: ARG002
        there: Mapping[str, str],  # noqa: ARG002
        case: CaseFiles,  # noqa: ARG002
        model: PredictingModel,  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Return no file."""
        return {}

    def write(self, path: Path, predicted: PredictedCase) -> None:
        """Write the files of a case into the output folder, those with metadata last; see `Writer.write`."""
        from nnplug_zarr.contents import Volume, label_files

        labels, label_map = predicted.description.labels, predicted.label_map
        names = {
            value: "+".join(name for name, values in labels.values.items() if value in values)
            for value in labels.foreground_values
        }
        dtype = np.min_scalar_type(int(label_map.array.max(initial=0)))
        volume = Volume(label_map.array.astype(dtype), label_map.geometry, names)
        files = label_files(volume, self.name, self._version)
        for name in sorted(files, key=lambda name: -name.count("/")):
            with atomic_file(path / f"{predicted.case.name}.ome.zarr" / name) as temporary:
                temporary.write_bytes(files[name])

    def example(self, folder: Path) -> CaseFiles:
        """See `Writer.example`."""
        image = folder / "example.ome.zarr"
        OmeZarrReader().write_image(image, np.arange(60, dtype=np.int16).reshape(_PLACE.shape), _PLACE)
        return CaseFiles("example", (image,))
