"""Finished steps in `sources.json`: a run does not repeat a step whose files and choices are the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.sidecars import state_files
from nnplug.runtime.digests import state_digest
from nnplug.runtime.json_files import read_object, write_json
from nnplug.workspace.layout import Workspace


@dataclass(frozen=True)
class FinishedStep:
    """A step with a digest of its files and choices, which is written into a file when the step is finished.

    Attributes:
        file: `sources.json` of the workspace.
        step: the name of the step in that file.
        digest: of the names, sizes and times of the files that the step reads, and of the choices for it.
    """

    file: Path
    step: str
    digest: str

    @classmethod
    def of_verification(cls, dataset: Dataset, workspace: Workspace) -> Self:
        """Return the step `verify`, which reads the unlabelled cases too."""
        unlabelled = [file for case in dataset.unlabelled_cases() for file in case.images]
        return cls(workspace.sources, "verify", _digest(dataset, unlabelled, ""))

    @classmethod
    def of_measurement(
        cls, dataset: Dataset, workspace: Workspace, extractor: str, options: Mapping[str, Any] | None
    ) -> Self:
        """Return the step that measures the dataset with an extractor and its options."""
        choices = f" {extractor} {json.dumps(options or {}, sort_keys=True, default=str)}"
        return cls(workspace.sources, "fingerprint", _digest(dataset, [], choices))

    def is_kept(self) -> bool:
        """Return whether the step was finished with the same files and choices."""
        return self.file.exists() and read_object(self.file).get(self.step) == self.digest

    def keep(self) -> None:
        """Write the digest; call this when the results of the step are on disk."""
        digests = read_object(self.file) if self.file.exists() else {}
        write_json(self.file, {**digests, self.step: self.digest})


def _digest(dataset: Dataset, more: Sequence[Path], choices: str) -> str:
    """Return the digest of `dataset.json`, of the files of all training cases and of `more`, and of the choices."""
    files = [
        file for case in dataset.training_cases() for file in (*case.images, *([case.label] if case.label else []))
    ]
    read = state_files([*files, *more], dataset.readers)
    reader = dataset.reader.component
    form = "" if reader.implied else f"{reader.name} {reader.state_version}"
    return state_digest([dataset.folder / "dataset.json", *read], f"{form}{choices}")
