"""The request for a whole run, its steps and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import Dataset
from nnplug.plans.plans import Choice
from nnplug.preparation.plan_request import PlanRequest
from nnplug.selection.request import Selection
from nnplug.workspace.layout import Workspace


class Step(StrEnum):
    """The steps of a run, in order."""

    VERIFY = "verify"
    FINGERPRINT = "fingerprint"
    PLAN = "plan"
    PREPROCESS = "preprocess"
    TRAIN = "train"
    VALIDATE = "validate"
    BUNDLE = "bundle"

    def reached(self, until: Step) -> bool:
        """Return whether this step is part of a run that ends after `until`."""
        order = list(Step)
        return order.index(self) <= order.index(until)


@dataclass(frozen=True)
class RunRequest:
    """The request for a whole run.

    Attributes:
        dataset: the dataset to learn from.
        workspace: the workspace to write into.
        plan: the choices for planning.
        folds: numbers or "all"; empty for every fold.
        until: the last step.
        seed: the seed that every random draw derives from.
        mirroring: whether validation averages over mirrored images.
        fresh: whether runs that started with other values are trained again from the start.
        command: the words of the user's command line, for the record.
        devices: the number of devices that train one fold together.
        trackers: the trackers that each training is sent to.
    """

    dataset: Dataset
    workspace: Workspace
    plan: PlanRequest
    folds: tuple[int | str, ...] = ()
    until: Step = Step.BUNDLE
    seed: int = 0
    mirroring: bool = True
    fresh: bool = False
    command: tuple[str, ...] = ()
    devices: int = 1
    trackers: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        scores: (configuration, fold) -> the summary of its validation.
        bundles: configuration -> its bundle; only "selected" -> bundle if the cross-validation is complete.
        selection: the comparison; None if folds are missing.
        reports: the files that the installed reporters wrote.
    """

    scores: Mapping[tuple[str, int | str], Mapping[str, Any]] = field(default_factory=dict)
    bundles: Mapping[str, Path] = field(default_factory=dict)
    selection: Selection | None = None
    reports: tuple[Path, ...] = ()
