"""The component `nnunet-v1` of kind converter: a TaskXXX_NAME folder of nnU-Net's first version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnplug.contracts import Converter, SourceScan
from nnplug.conversion.write_case import write_case
from nnplug.dataset.case_files import CaseFiles, image_cases
from nnplug.errors import InvalidFile
from nnplug.io.images import write_image, write_label
from nnplug.runtime.executor import Executor
from nnplug.runtime.json_files import write_json
from nnplug.runtime.progress import Progress
from nnplug_nnunet.converters.examples import GEOMETRY, volumes
from nnplug_nnunet.converters.tasks import description, read_task

ENDING = ".nii.gz"
"""The only format of nnU-Net v1."""


@dataclass(frozen=True)
class NnunetV1(Converter):
    """A converter for version 1: folders are as in version 2, `dataset.json` has "modality", and labels by value."""

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:  # noqa: ARG002
        """Return the cases and `dataset.json`; see `nnplug.contracts.Converter`.

        Raises:
            InvalidFile: `dataset.json` is missing or wrong, or imagesTr has no CASE_0000.nii.gz.
        """
        raw = read_task(source)
        training = [
            CaseFiles(case.name, case.images, source / "labelsTr" / f"{case.name}{ENDING}")
            for case in image_cases(source / "imagesTr", ENDING)
        ]
        if not training:
            raise InvalidFile(
                f"{source}: no imagesTr/CASE_0000{ENDING}. If its images are 4D or without _0000, convert with msd."
            )
        unseen = (_unseen(case, source) for case in image_cases(source / "imagesTs", ENDING))
        return SourceScan(description(raw, ENDING), tuple(training), tuple(unseen))

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """See `nnplug.contracts.Converter`."""
        write_case(case, target, values)

    def example(self, folder: Path) -> None:
        """Write two training cases of two channels."""
        for seed, name in enumerate("ab"):
            image, label = volumes(seed)
            for number, channel in enumerate(image):
                write_image(folder / "imagesTr" / f"{name}_{number:04d}{ENDING}", channel, GEOMETRY)
            write_label(folder / "labelsTr" / f"{name}{ENDING}", label, GEOMETRY)
        labels = {"0": "background", "1": "organ", "2": "tumour"}
        write_json(folder / "dataset.json", {"modality": {"0": "T1", "1": "T2"}, "labels": labels})


def _unseen(case: CaseFiles, source: Path) -> CaseFiles:
    """Return a case of imagesTs, with its label map if there is one."""
    label = source / "labelsTs" / f"{case.name}{ENDING}"
    return CaseFiles(case.name, case.images, label if label.exists() else None)
