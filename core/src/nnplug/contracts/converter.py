"""Converters: turn a folder of another layout into a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from nnplug.dataset.case_files import CaseFiles
    from nnplug.dataset.splits import Fold


@dataclass(frozen=True)
class SourceScan:
    """The cases that a converter found in a folder, and the dataset that it will make.

    Attributes:
        description: `dataset.json` of the result; the core adds `numTraining`. Each case gets one image file per entry
            of its `channel_names`.
        training: per training case, its name in the result, and the image files and the label map of the source.
        unseen: the same for cases to predict; if there is a label map, it is written to `labelsTs`.
        values: label value in the source -> label value in the result; empty if no value changes.
        notices: messages that the user should read before the conversion.
        in_place: whether no image is written. `dataset.json` then lists the files of the source, those of `training`
            under "dataset" and those of `unseen` under "testing"; `convert` is not called, and no value can change.
        folds: folds of `training` that the source defines; they are written to `splits_final.json`, which training
            takes. Empty if it defines none.
    """

    description: Mapping[str, Any]
    training: tuple[CaseFiles, ...]
    unseen: tuple[CaseFiles, ...] = ()
    values: Mapping[int, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    in_place: bool = False
    folds: tuple[Fold, ...] = ()


class Converter(Protocol):
    """A component that turns a folder of another layout into a dataset."""

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:
        """Return the cases and labels of a folder. Nothing is written.

        Args:
            source: the folder; or a file, if the entry of the converter has a `source_ending`.
            executor: reads files in parallel.
            progress: receives the progress.

        Raises:
            InvalidFile: the folder does not have this layout; the message names what is missing.
            Problems: files that belong to no case, a line each.
        """
        ...

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """Write one case; for files that SimpleITK reads, `nnplug.conversion.write_case.write_case` does it.

        Args:
            case: a case of the scan.
            target: the files to write: one per channel, and the label map if the case has one.
            values: the values of the scan.

        Raises:
            InvalidFile: a file of the source cannot be read, or contradicts the scan.
        """
        ...

    def example(self, folder: Path) -> None:
        """Write a tiny source with two or more training cases, which the conformance kit converts."""
        ...
