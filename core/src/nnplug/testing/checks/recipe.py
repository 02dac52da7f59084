"""The checks of a recipe: whether planning can use it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nnplug.preparation.make_plans import choose
from nnplug.registry.components import Kind, Recipe, Registry
from nnplug.testing.check import require


def _can_be_chosen(recipe: Recipe, registry: Registry) -> None:
    """Raise unless every name exists and every option is valid; the planner adds options of an architecture."""
    choices, given = choose(registry, recipe.name, {}, {})
    if given and Kind.ARCHITECTURE in choices:
        entry = registry.get(Kind.ARCHITECTURE, choices[Kind.ARCHITECTURE].name)
        known = {option for option, _, _ in entry.options()}
        require(set(given) <= known, f"architecture {entry.name!r} has no option {', '.join({*given} - known)}")


CHECKS: Mapping[str, Callable[[Recipe, Registry], None]] = {
    "chooses components and options that exist": _can_be_chosen,
}
