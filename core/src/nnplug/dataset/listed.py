"""The files of datasets whose `dataset.json` lists them, for commands that take folders of images or label maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.dataset import Dataset
from nnplug.io.readers import Readers


@dataclass(frozen=True)
class ListedCases:
    """The cases that the `dataset.json` of a folder lists.

    Attributes:
        training: the training cases.
        testing: the cases to predict.
    """

    training: tuple[CaseFiles, ...] = ()
    testing: tuple[CaseFiles, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there are cases."""
        return bool(self.training or self.testing)

    @property
    def to_predict(self) -> tuple[CaseFiles, ...]:
        """The cases to predict, or the training cases if none are listed."""
        return self.testing or self.training

    def labels(self, names: frozenset[str] | None = None) -> dict[str, Path]:
        """Return case name -> label map.

        Args:
            names: the cases that are compared. A part of the dataset, training or testing, without any of them is left
                out; None takes both parts.
        """
        parts = [part for part in (self.training, self.testing) if names is None or names & {c.name for c in part}]
        return {case.name: case.label for part in parts for case in part if case.label is not None}


def listed_cases(folder: Path, readers: Readers) -> ListedCases:
    """Return the cases that a folder lists; none if it has images of its own, or no `dataset.json` that lists files.

    Folders of predictions have a copy of `dataset.json` beside their label maps, which is not meant here.

    Raises:
        InvalidFile: `dataset.json` is broken.
    """
    if not (folder / "dataset.json").is_file() or _has_images(folder, readers):
        return ListedCases()
    dataset = Dataset.open(folder, readers)
    training = dataset.training_cases() if dataset.description.files is not None else ()
    return ListedCases(_read_by(training, readers), _read_by(dataset.testing_cases(), readers))


def _read_by(cases: tuple[CaseFiles, ...], readers: Readers) -> tuple[CaseFiles, ...]:
    return tuple(replace(case, readers=readers) for case in cases)


def _has_images(folder: Path, readers: Readers) -> bool:
    return any(file.name.lower().endswith(readers.endings) for file in folder.iterdir())
