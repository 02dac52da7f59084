"""The request for a whole run, its stages and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import Dataset
from nnplug.registry.components import Kind
from nnplug.selection.request import Selection
from nnplug.workspace.layout import Workspace


class Stage(StrEnum):
    """The steps of a run, in order."""

    VERIFY = "verify"
    FINGERPRINT = "fingerprint"
    PLAN = "plan"
    PREPROCESS = "preprocess"
    TRAIN = "train"
    VALIDATE = "validate"
    BUNDLE = "bundle"

    def reached(self, until: Stage) -> bool:
        """Return whether this step is part of a run that ends after `until`."""
        order = list(Stage)
        return order.index(self) <= order.index(until)


@dataclass(frozen=True)
class PlanRequest:
    """The choices of the user for planning; the recipe decides the rest.

    Attributes:
        recipe: a named choice of components; None for the default one.
        name: of the plans; None lets the planner name them.
        components: kind -> name, winning over the recipe.
        options: "plan" or kind -> option -> value, as `--set` gives them.
        configurations: those to plan overrides for and to run; empty means all.
    """

    recipe: str | None = None
    name: str | None = None
    components: Mapping[Kind, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    configurations: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRequest:
    """A whole run.

    Attributes:
        dataset: what to learn.
        workspace: where to write.
        plan: how to plan.
        folds: numbers or "all"; empty means every fold.
        until: the last step.
        seed: of every random draw.
        mirroring: whether validation averages over mirrored images.
        fresh: train again what was begun with other values.
        command: what the user typed, for the record.
        devices: how many train one fold together.
    """

    dataset: Dataset
    workspace: Workspace
    plan: PlanRequest
    folds: tuple[int | str, ...] = ()
    until: Stage = Stage.BUNDLE
    seed: int = 0
    mirroring: bool = True
    fresh: bool = False
    command: tuple[str, ...] = ()
    devices: int = 1


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        scores: (configuration, fold) -> the summary of its validation.
        bundles: configuration -> the model that predicts; "selected" alone where cross-validation is whole.
        selection: how that was chosen, None where folds are missing.
    """

    scores: Mapping[tuple[str, int | str], Mapping[str, Any]] = field(default_factory=dict)
    bundles: Mapping[str, Path] = field(default_factory=dict)
    selection: Selection | None = None
