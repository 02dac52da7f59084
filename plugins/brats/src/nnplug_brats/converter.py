"""The converter `brats`: folders of the BraTS challenges from 2018 to 2023, and of BraTS-Africa."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnplug.contracts import Converter, SourceScan
from nnplug.conversion.write_case import write_case
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.file_names import file_ending, stem
from nnplug.errors import InvalidFile, Problems
from nnplug.io.images import write_image, write_label
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress
from nnplug_nnunet.converters.examples import GEOMETRY, volumes

ENDING = ".nii.gz"
DESCRIPTION: Mapping[str, Any] = {
    "channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "FLAIR"},
    "labels": {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]},
    "regions_class_order": [1, 2, 3],
    "file_ending": ENDING,
}
"""Edema is 1, necrosis 2, enhancing tumour 3, so that writing the regions one after the other gives the labels."""


@dataclass(frozen=True)
class Naming:
    """The file names and label values of some years.

    Attributes:
        separator: text between the case's name and the content of the file.
        images: names of T1, contrast-enhanced T1, T2 and FLAIR.
        enhancing: value of enhancing tumour; necrosis is 1 and edema 2 in all years.
    """

    separator: str
    images: tuple[str, str, str, str]
    enhancing: int

    @property
    def values(self) -> Mapping[int, int]:
        """Label value of the challenge -> label value of the dataset."""
        return {0: 0, 2: 1, 1: 2, self.enhancing: 3}

    def split(self, name: str) -> tuple[str, str] | None:
        """Return the case's name and the content from a file name without ending; None for other names."""
        case, separator, content = name.rpartition(self.separator)
        return (case, content) if separator and case and content in (*self.images, SEGMENTATION) else None


SEGMENTATION = "seg"
UNTIL_2022 = Naming("_", ("t1", "t1ce", "t2", "flair"), enhancing=4)
SINCE_2023 = Naming("-", ("t1n", "t1c", "t2w", "t2f"), enhancing=3)

Cases = dict[str, dict[str, Path]]
"""Name of the case -> content -> the file."""


@dataclass(frozen=True)
class BratsConverter(Converter):
    """A converter for one folder per case, at any depth below the source.

    The files are `CASE/CASE_t1ce.nii.gz` until 2022, and `CASE/CASE-t1c.nii.gz` since 2023. Cases without a
    segmentation are cases to predict. `dataset.json` keeps the challenge's label values as "source_labels", with which
    `nnplug dataset restore` converts predictions to the challenge's labels.
    """

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:  # noqa: ARG002
        """Return the cases and `dataset.json`; see `nnplug.contracts.Converter`.

        Raises:
            InvalidFile: there are no BraTS cases, or cases with the names of both periods.
            Problems: cases lack an image or files belong to no case, one line each.
        """
        found = {naming: _cases(source, naming) for naming in (UNTIL_2022, SINCE_2023)}
        namings = [naming for naming, cases in found.items() if cases]
        if not namings:
            raise InvalidFile(
                f"{source}: no BraTS cases; expected CASE/CASE_t1ce.nii.gz or CASE/CASE-t1c.nii.gz and so on"
            )
        if len(namings) > 1:
            raise InvalidFile(
                f"{source}: holds cases of years until 2022 and since 2023; convert them one after another"
            )
        (naming,) = namings
        cases = found[naming]
        if problems := [*_incomplete(source, cases, naming), *_unassigned(source, naming)]:
            raise Problems(problems)
        files = [_files(name, parts, naming) for name, parts in cases.items()]
        back = {str(own): theirs for theirs, own in naming.values.items()}
        return SourceScan(
            {**DESCRIPTION, "name": source.name, "source_labels": back},
            training=tuple(case for case in files if case.label),
            unseen=tuple(case for case in files if not case.label),
            values=naming.values,
        )

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """See `nnplug.contracts.Converter`."""
        write_case(case, target, values)

    def example(self, folder: Path) -> None:
        """Write two training cases of BraTS-Africa and one case to predict."""
        for seed in range(3):
            name = f"BraTS-SSA-{seed:05d}-000"
            (first, label), (second, _) = volumes(seed), volumes(seed + 3)
            for content, image in zip(SINCE_2023.images, (*first, *second), strict=True):
                write_image(folder / name / f"{name}-{content}{ENDING}", image, GEOMETRY)
            if seed < 2:
                write_label(folder / name / f"{name}-{SEGMENTATION}{ENDING}", label, GEOMETRY)


def _images(source: Path) -> Iterator[Path]:
    return (path for path in sorted(source.rglob("*")) if file_ending(path) and not path.name.startswith("."))


def _cases(source: Path, naming: Naming) -> Cases:
    cases: Cases = {}
    for path in _images(source):
        if parts := naming.split(stem(path)):
            cases.setdefault(parts[0], {})[parts[1]] = path
    return cases


def _incomplete(source: Path, cases: Cases, naming: Naming) -> Iterator[str]:
    for name, parts in cases.items():
        if missing := [content for content in naming.images if content not in parts]:
            yield f"{source}: case {name!r} has no {' and no '.join(missing)}; all four images are needed"


def _unassigned(source: Path, naming: Naming) -> Iterator[str]:
    for path in _images(source):
        if naming.split(stem(path)) is None:
            example = f"CASE{naming.separator}{SEGMENTATION}"
            yield f"{path}: belongs to no case; rename it like the others, such as {example}, or remove it"


def _files(name: str, parts: Mapping[str, Path], naming: Naming) -> CaseFiles:
    return CaseFiles(name, tuple(parts[content] for content in naming.images), parts.get(SEGMENTATION))
