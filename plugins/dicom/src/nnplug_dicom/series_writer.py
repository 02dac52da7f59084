"""The base class of writers whose files belong to the patient and study of a series."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydicom.dataset import Dataset

from nnplug.contracts import PredictedCase, Writer
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.runtime.files import atomic_file
from nnplug_dicom.segments import Segment, notices, segments_of
from nnplug_dicom.source import check_source, example_case, source_of
from nnplug_dicom.stack import Stack

MANUFACTURER = "nnplug"


@dataclass(frozen=True)
class SeriesWriter(Writer):
    """A writer of one DICOM file about the segments of a series. A subclass makes the data set.

    Attributes:
        segments: a CSV file with codes and colours of classes, in the columns of TotalSegmentator; None for those in
            `dataset.json` of the model.
    """

    segments: Path | None = None

    def check(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:
        """See `Writer.check`."""
        check_source(case)
        return notices(segments_of(description, self.segments))

    def write(self, path: Path, predicted: PredictedCase) -> None:
        """See `Writer.write`."""
        segments = segments_of(predicted.description, self.segments)
        with source_of(predicted.case) as (stack, headers):
            made = self.data_set(predicted, segments, stack, headers)
            with atomic_file(path) as temporary:
                made.save_as(temporary, enforce_file_format=True)

    def example(self, folder: Path) -> CaseFiles:
        """See `Writer.example`."""
        return example_case(folder)

    @abstractmethod
    def data_set(
        self, predicted: PredictedCase, segments: Sequence[Segment], stack: Stack, headers: Sequence[Dataset]
    ) -> Dataset:
        """Return the file to write, with its file meta information.

        Args:
            predicted: the label map with its case and model.
            segments: the classes or regions.
            stack: the slices of the series.
            headers: the headers of the slices, in the order of the stack.
        """
        ...


def software_versions() -> str:
    """Return the software that writes the files."""
    return f"nnplug-dicom {version('nnplug-dicom')}"


def series_number(header: Dataset, added: int) -> int:
    """Return the number of a new series: that of the source series and `added`, at most what DICOM holds."""
    return min(added + int(header.get("SeriesNumber") or 0), 2**31 - 1)
