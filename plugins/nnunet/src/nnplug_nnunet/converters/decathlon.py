"""The component `msd` of kind converter: a task of the Medical Segmentation Decathlon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnplug.contracts import Converter, SourceScan
from nnplug.conversion.write_case import write_case
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.file_names import file_ending, stem
from nnplug.errors import InvalidFile
from nnplug.io.images import write_image, write_label
from nnplug.runtime.executor import Executor
from nnplug.runtime.json_files import write_json
from nnplug.runtime.progress import Progress
from nnplug_nnunet.converters.examples import GEOMETRY, volumes
from nnplug_nnunet.converters.tasks import description, read_task


@dataclass(frozen=True)
class Decathlon(Converter):
    """A converter for 4D images of several channels; `dataset.json` lists the files of training and test cases."""

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:  # noqa: ARG002
        """Return the cases and `dataset.json`; see `nnplug.contracts.Converter`.

        Raises:
            InvalidFile: `dataset.json` is missing, or it does not list the files of each case.
        """
        raw = read_task(source)
        listed = raw.get("training"), raw.get("test", [])
        if not isinstance(listed[0], list) or not listed[0] or not isinstance(listed[1], list):
            raise InvalidFile(
                f"{source / 'dataset.json'}: 'training' is {listed[0]!r}; expected the files of each case. "
                "If imagesTr holds CASE_0000 files, convert with nnunet-v1."
            )
        training = tuple(_case(source, entry) for entry in listed[0])
        ending = file_ending(training[0].images[0]) or ".nii.gz"
        return SourceScan(description(raw, ending), training, tuple(_case(source, entry) for entry in listed[1]))

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """See `nnplug.contracts.Converter`."""
        write_case(case, target, values)

    def example(self, folder: Path) -> None:
        """Write two training cases and a test case of one channel."""
        for part, names in (("Tr", "ab"), ("Ts", "c")):
            for seed, name in enumerate(names):
                image, label = volumes(seed)
                write_image(folder / f"images{part}" / f"{name}.nii.gz", image[0], GEOMETRY)
                if part == "Tr":
                    write_label(folder / "labelsTr" / f"{name}.nii.gz", label, GEOMETRY)
        write_json(folder / "dataset.json", _EXAMPLE)


_EXAMPLE = {
    "name": "Example",
    "modality": {"0": "T1"},
    "labels": {"0": "background", "1": "organ", "2": "tumour"},
    "training": [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in "ab"],
    "test": ["./imagesTs/c.nii.gz"],
}


def _case(source: Path, entry: Any) -> CaseFiles:
    files = entry if isinstance(entry, dict) else {"image": entry}
    image, label = files.get("image"), files.get("label")
    if not isinstance(image, str) or not isinstance(label, str | None):
        raise InvalidFile(
            f"{source / 'dataset.json'}: lists {entry!r}; expected a file, or {{'image': FILE, 'label': FILE}}"
        )
    return CaseFiles(stem(Path(image)), (source / image,), None if label is None else source / label)
