"""Planners: turn a fingerprint into plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.plans.plans import Choice, Plans
from nnplug.registry.components import Kind, Registry
from nnplug.runtime.progress import Progress, Silent

if TYPE_CHECKING:
    from nnplug.dataset.description import DatasetDescription
    from nnplug.plans.fingerprint import Fingerprint


@dataclass(frozen=True)
class PlanningContext:
    """The input of a planner besides the fingerprint and the description.

    Attributes:
        dataset: the dataset's name.
        name: the name of the plans.
        recipe: the recipe that `choices` were expanded from; empty if the user named every kind.
        choices: kind -> component, for every kind that is chosen once per plans. It has the architecture only if the
            user or the recipe names one; if not, the planner chooses it. A normalizer here is for every channel;
            without one, the planner chooses normalizers by the names of the channels.
        architecture_options: options of the architecture from the user or the recipe, also if the planner chooses it.
        registry: the registry with the architecture and the normalizers.
        progress: receives notices for the user, such as an unknown channel name.
        overridden: the fields of configurations that the user sets (`plan.KEY`) and the core replaces after planning,
            such as "normalization". Do not give notices about rules for these fields.
    """

    dataset: str
    name: str
    recipe: str
    choices: Mapping[Kind, Choice]
    registry: Registry
    architecture_options: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Silent)
    overridden: frozenset[str] = frozenset()


class Planner(Protocol):
    """A component that turns a fingerprint into plans."""

    def plan(self, fingerprint: Fingerprint, description: DatasetDescription, context: PlanningContext) -> Plans:
        """Return the plans: all decisions from the data. No file is read, nothing is random, no network is built."""
        ...


class MemoryPlanner(Planner, Protocol):
    """A planner for a target of device memory; its entry has `plans_for_memory=True`."""

    def memory_target(self) -> float:
        """Return the memory in GB of the training device that plans with these options are made for."""
        ...
