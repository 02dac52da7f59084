"""The component `foreign-folders` of kind converter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnplug.contracts import Converter, SourceScan
from nnplug.conversion.write_case import write_case
from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidFile
from nnplug.io.images import Geometry, write_image, write_label
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress


@dataclass(frozen=True, kw_only=True)
class PatientFolders(Converter):
    """Reads PATIENT/scan.nii.gz and PATIENT/mask.nii.gz, in which 255 is the lesion.

    Attributes:
        channel: the name of the image's channel.
    """

    channel: str = "CT"

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:
        """See `nnplug.contracts.Converter`."""
        folders = sorted(path.parent for path in source.glob("*/scan.nii.gz"))
        if not folders:
            raise InvalidFile(f"{source}: holds no PATIENT/scan.nii.gz. Give the folder of the patients' folders.")
        cases = tuple(CaseFiles(f.name, (f / "scan.nii.gz",), f / "mask.nii.gz") for f in folders)
        labels = {"background": 0, "lesion": 1}
        description = {"channel_names": {"0": self.channel}, "labels": labels, "file_ending": ".nii.gz"}
        return SourceScan(description, cases, values={0: 0, 255: 1})

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """See `nnplug.contracts.Converter`."""
        write_case(case, target, values)

    def example(self, folder: Path) -> None:
        """See `nnplug.contracts.Converter`: two patients whose lesion is the brightest part."""
        axes = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        geometry = Geometry((4, 6, 5), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), axes)
        for offset, patient in enumerate(("ada", "bea")):
            image = np.arange(120, dtype=np.int16).reshape(4, 6, 5) + offset
            write_image(folder / patient / "scan.nii.gz", image, geometry)
            write_label(folder / patient / "mask.nii.gz", 255 * (image > 100), geometry)
