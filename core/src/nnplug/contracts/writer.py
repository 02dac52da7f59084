"""Writers: write predicted label maps in formats other than that of the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from nnplug.dataset.case_files import CaseFiles
    from nnplug.dataset.description import DatasetDescription
    from nnplug.io.geometry import LabelMap


@dataclass(frozen=True)
class PredictingModel:
    """The model of predictions, as files about them can record it.

    Attributes:
        description: `dataset.json` of the model: names and values of the classes or regions that are kept; `raw` is
            the whole file with its further keys, such as "segments".
        name: "DATASET PLANS CONFIGURATION", joined by " + " for an ensemble.
        version: 12 hexadecimal digits that change with the plans of the model.
    """

    description: DatasetDescription
    name: str
    version: str


@dataclass(frozen=True)
class PredictedCase:
    """A predicted label map with everything that a file about it can record.

    Attributes:
        case: the name and the images of the case; `case.readers` reads them.
        label_map: the label map (z, y, x) with the axes and the geometry that the reader gives the image.
        description: `dataset.json` of the model: names and values of the classes or regions that are kept; `raw` is
            the whole file with its further keys, such as "segments".
        model: the name of the model, see `PredictingModel`.
        model_version: its version.
    """

    case: CaseFiles
    label_map: LabelMap
    description: DatasetDescription
    model: str
    model_version: str


class Writer(Protocol):
    """A component that writes predicted label maps in one format. Its `WriterComponent` has the ending of the files.

    Several threads and processes use one writer at the same time.
    """

    def check(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:
        """Return notices for the user about the files to write.

        It is called for every case before the first is predicted.

        Args:
            case: the case. Its images are not read here.
            description: `dataset.json` of the model.

        Raises:
            NnplugError: predictions of such images, or of these labels, cannot be written; nothing is then predicted.
        """
        ...

    def write(self, path: Path, predicted: PredictedCase) -> None:
        """Write a label map atomically (`nnplug.runtime.files.atomic_file`). A label map may be all background.

        Raises:
            NnplugError: the format cannot hold the label map.
            OSError: the file cannot be written.
        """
        ...

    def example(self, folder: Path) -> CaseFiles:
        """Write a tiny image of 16 or more voxels into a folder and return its case, which the conformance kit uses."""
        ...


class DatasetWriter(Writer, Protocol):
    """A writer whose entry says `writes_dataset`: the output folder becomes a dataset of another layout.

    It writes several files for each case, also in folders, and files that all cases share. The path that `write` gets
    is the output folder; `write` makes all files of a case that `files` names, each atomically.
    """

    def files(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:
        """Return the files of a case: paths relative to the output folder, with "/".

        They depend on the case, the labels and the options. Of images at most the geometry is read here.

        Raises:
            NnplugError: the layout has no name for the case; nothing is then predicted.
        """
        ...

    def shared_files(self) -> tuple[str, ...]:
        """Return the files that all cases share: paths relative to the output folder, with "/"."""
        ...

    def shared(
        self, folder: Path, there: Mapping[str, str], case: CaseFiles, model: PredictingModel
    ) -> Mapping[str, str]:
        """Return the content of every shared file after a case was added.

        It is called before `write` for each case, and again for the cases that a call keeps; other processes wait until
        it returns. A case that is there already changes nothing, and no case removes what others added.

        Args:
            folder: the output folder.
            there: name -> content of the shared files that exist; users may have edited them.
            case: the case. Its images are not read here.
            model: the model that predicts it.

        Raises:
            NnplugError: the case cannot be added, or a file cannot be understood; the case fails.
        """
        ...
