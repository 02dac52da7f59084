"""The series that a prediction belongs to, for writers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset

from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidFile
from nnplug_dicom.example import write_series
from nnplug_dicom.image_path import ENDING, ImagePath
from nnplug_dicom.reader import DicomReader
from nnplug_dicom.stack import Stack
from nnplug_dicom.volume import open_series


def check_source(case: CaseFiles) -> None:
    """Raise unless the images of a case are DICOM series.

    Raises:
        InvalidFile: the first image is another file.
    """
    image = case.images[0]
    if not image.name.endswith(ENDING) or image.is_file():
        raise InvalidFile(
            f"{image}: is no DICOM series, whose patient and study a DICOM file needs; leave out this writer, or give "
            "the folder or zip file of the series"
        )


@contextmanager
def source_of(case: CaseFiles) -> Iterator[tuple[Stack, list[Dataset]]]:
    """Yield the slices of the first image of a case and their headers, in one order.

    Raises:
        InvalidFile: the series has changed since it was read.
    """
    check_source(case)
    with open_series(ImagePath.of(case.images[0])) as opened:
        stack = opened.stack()
        yield stack, [file.header for file in stack.files]


def example_case(folder: Path) -> CaseFiles:
    """Write a tiny series and return its case."""
    write_series(folder)
    (image,) = DicomReader().find_images(folder)
    return CaseFiles("example", (image.path,))
