"""Average the stored probabilities of several candidates; a case is averaged again if its predictions have changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import Dataset
from nnplug.inference.averaging import Mean, label_map, open_output
from nnplug.io.images import read_geometry, write_label
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.digests import sha256
from nnplug.runtime.files import explained
from nnplug.runtime.json_files import read_object, write_json
from nnplug.selection.candidates import Candidate

_SOURCES = "sources.json"


@dataclass(frozen=True)
class Average:
    """The label maps of an ensemble, made from the stored probabilities of its members.

    Attributes:
        members: the configurations that are averaged.
        dataset: the dataset of the cases.
        target: the folder of the label maps.
        keep_existing: whether a label map in the folder stays even if its members' predictions have changed since.
    """

    members: tuple[Candidate, ...]
    dataset: Dataset
    target: Path
    keep_existing: bool = False

    def is_done(self, case: str) -> bool:
        """Return whether the label map of a case exists and is up to date, or is to be kept."""
        there = (self.target / f"{case}{self.dataset.description.file_ending}").exists()
        return there and (self.keep_existing or self._noted().get(case) == self._sources(case))

    def write(self, case: str, plugins: Plugins) -> None:
        """Average the members' probabilities of a case, and write the label map."""
        file = f"{case}{self.dataset.description.file_ending}"
        folders = [member.folder_of(case) for member in self.members]
        mean = Mean([open_output(folder, case, self.target, plugins) for folder in folders])
        labels = label_map(mean, self.dataset.description.labels)
        readers = self.dataset.readers
        write_label(self.target / file, labels, read_geometry(folders[0] / file, readers), readers)

    def note(self, cases: Sequence[str]) -> None:
        """Record the digests of the members' predictions that the label maps were made from."""
        write_json(self.target / _SOURCES, {**self._noted(), **{case: self._sources(case) for case in cases}})

    def _noted(self) -> dict[str, Any]:
        path = self.target / _SOURCES
        return read_object(path) if path.is_file() else {}

    def _sources(self, case: str) -> list[str]:
        """Return the hashes of the members' label maps, which change with their probabilities."""
        file = f"{case}{self.dataset.description.file_ending}"
        return [sha256(member.folder_of(case) / file) for member in self.members]


def average(job: Average, cases: Sequence[str], runtime: Runtime) -> None:
    """Write the label maps of an ensemble for some cases, but not of those that are done.

    Raises:
        Problems: stored probabilities are missing or damaged; a line per case.
    """
    with explained(job.target):
        job.target.mkdir(parents=True, exist_ok=True)
    due = [case for case in cases if not job.is_done(case)]
    title = f"ensemble {' + '.join(member.name for member in job.members)}"
    work = partial(_write_mean, job=job, plugins=runtime.plugins)
    with runtime.progress.task(title, len(cases), done=len(cases) - len(due)) as advance:
        for case, _ in zip(due, runtime.executor.map(work, due, stage="ensemble"), strict=True):
            advance(case)
    job.note(due)


def _write_mean(case: str, *, job: Average, plugins: Plugins) -> None:
    job.write(case, plugins)
