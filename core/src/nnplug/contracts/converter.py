"""Converters: turn a folder of another layout into a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from nnplug.dataset.dataset import CaseFiles


@dataclass(frozen=True)
class SourceScan:
    """The cases that a converter found in a folder, and the dataset that it makes of them.

    Attributes:
        description: `dataset.json` of the result, `numTraining` being filled in by the core. The number of its
            `channel_names` decides how many image files each case gets.
        training: per case its name in the result, the source's image files and its label map.
        unseen: the same of cases to predict; a label map, where there is one, goes to `labelsTs`.
        values: label value in the source -> label value in the result; empty where they stay as they are.
        notices: what the user should know before converting.
    """

    description: Mapping[str, Any]
    training: tuple[CaseFiles, ...]
    unseen: tuple[CaseFiles, ...] = ()
    values: Mapping[int, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class Converter(Protocol):
    """Turns a folder of another layout into a dataset."""

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:
        """Find the cases and name the labels. Read what is needed, write nothing.

        Raises:
            InvalidFile: the folder is none of this kind; the message names what is missing.
            Problems: files that belong to no case, a line each.
        """
        ...

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """Write one case; `nnplug.conversion.write_case.write_case` does it for all that SimpleITK reads.

        Args:
            case: of the scan.
            target: the files to write: one per channel, and the label map where the case has one.
            values: of the scan.

        Raises:
            InvalidFile: a file of the source cannot be read, or does not hold what the scan says.
        """
        ...

    def example(self, folder: Path) -> None:
        """Write a tiny source of this kind, of two or more training cases: the conformance kit converts it."""
        ...
