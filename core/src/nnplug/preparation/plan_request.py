"""The user's choices for planning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nnplug.registry.components import Kind


@dataclass(frozen=True)
class PlanRequest:
    """The user's choices for planning; the recipe decides the rest.

    Attributes:
        recipe: the name of a recipe; None for the default.
        name: the name of the plans; None for that of the recipe, and with the default recipe that of
            the planner.
        components: kind -> name; it overrides the recipe.
        options: "plan" or kind -> option -> value, as in `--set`.
        configurations: the configurations to run and to apply overrides to; empty for all.
    """

    recipe: str | None = None
    name: str | None = None
    components: Mapping[Kind, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    configurations: tuple[str, ...] = ()


NO_CHOICES = PlanRequest()
"""The request that leaves everything to the default recipe."""
