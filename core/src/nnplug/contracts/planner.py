"""Planners: turn a fingerprint into plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.plans.plans import Choice, Plans
from nnplug.registry.components import Kind, Registry
from nnplug.runtime.progress import Progress, Silent

if TYPE_CHECKING:
    from nnplug.dataset.dataset import DatasetDescription
    from nnplug.plans.fingerprint import Fingerprint


@dataclass(frozen=True)
class PlanningContext:
    """The facts that a planner is given besides the fingerprint.

    Attributes:
        dataset: the dataset's name.
        name: the name of the plans.
        recipe: the recipe that `choices` were expanded from; empty where the user named every kind.
        choices: the component of every kind that is chosen once per plan, and the architecture where the user or
            the recipe names one; a planner takes its own favourite where it is absent. A normalizer that is named is
            for every channel; where it is absent, channels are normalised by their names.
        architecture_options: what the user or the recipe sets for the architecture, whoever names it.
        registry: where the architecture and the normalizers are looked up.
        progress: where to say what the user should know, such as a channel name that says nothing.
    """

    dataset: str
    name: str
    recipe: str
    choices: Mapping[Kind, Choice]
    registry: Registry
    architecture_options: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Silent)


class Planner(Protocol):
    """Turns a fingerprint into plans."""

    def plan(self, fingerprint: Fingerprint, description: DatasetDescription, context: PlanningContext) -> Plans:
        """Decide everything that is decided from data. No files, no randomness, no network built."""
        ...
