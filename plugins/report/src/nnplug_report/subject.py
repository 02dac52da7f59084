"""The data of a report: the trainings, the scored or predicted cases, and how they were found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnplug.dataset.description import DatasetDescription
from nnplug.io.readers import Readers
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Plans
from nnplug.selection.request import Selection
from nnplug.workspace.runs import TrainedRun


@dataclass(frozen=True)
class LabelClass:
    """A class or region of the label maps.

    Attributes:
        key: its key in `summary.json`.
        name: its name in `dataset.json`, or "label N" if there is none.
        values: the label values that belong to it.
    """

    key: str
    name: str
    values: tuple[int, ...]


def classes_of(description: DatasetDescription) -> tuple[LabelClass, ...]:
    """Return the foreground classes or regions of a dataset, in the order of `dataset.json`."""
    labels = description.labels
    listed = zip(labels.keys, labels.foreground_names, labels.foreground, strict=True)
    return tuple(LabelClass(key, name, values) for key, name, values in listed)


@dataclass(frozen=True)
class Case:
    """The files and scores of one case.

    Attributes:
        name: the name of the case.
        prediction: the predicted label map.
        reference: the reference; None if there is none.
        images: one file per channel, or a file with all channels; empty if they were not found.
        scores: key of a class -> figures, as in `summary.json`; empty without a reference.
    """

    name: str
    prediction: Path
    reference: Path | None = None
    images: tuple[Path, ...] = ()
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The predictions of some cases.

    Attributes:
        title: a name such as "2d", or the name of a folder.
        cases: the cases in the order of their names.
        classes: the classes or regions.
        channels: the names of the channels; empty if they are unknown.
        readers: the readers of the files.
        origin: a sentence that tells who predicted the cases.
    """

    title: str
    cases: tuple[Case, ...]
    classes: tuple[LabelClass, ...]
    channels: tuple[str, ...]
    readers: Readers
    origin: str

    @property
    def is_scored(self) -> bool:
        """Return whether a case has scores."""
        return any(case.scores for case in self.cases)


@dataclass(frozen=True)
class Subject:
    """Everything that a report shows.

    Attributes:
        title: the title of the page.
        source: the file or folder that the user named.
        runs: the trainings, by configuration and fold.
        plans: the plans of the trainings or of the predictions; None if they are unknown.
        configurations: the configurations of the plans to describe.
        results: the predictions, one value per configuration or ensemble.
        selection: the comparison of configurations; None without one.
        fingerprint: the measurements that the plans were made from; None if the file was not found.
        missing: sentences that tell what is not there.
    """

    title: str
    source: Path
    runs: tuple[TrainedRun, ...] = ()
    plans: Plans | None = None
    configurations: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    selection: Selection | None = None
    fingerprint: Fingerprint | None = None
    missing: tuple[str, ...] = ()
