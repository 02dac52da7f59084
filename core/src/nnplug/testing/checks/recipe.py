"""The checks of a recipe: whether planning can use it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nnplug.preparation.make_plans import choose
from nnplug.preparation.plan_overrides import PlanFields
from nnplug.registry.components import PLAN_WORD, Kind, Recipe, Registry
from nnplug.registry.options import build
from nnplug.testing.check import require


def _can_be_chosen(recipe: Recipe, registry: Registry) -> None:
    """Raise unless every name exists and every option is valid; the planner adds options of an architecture."""
    choices, given = choose(registry, recipe.name, {}, {})
    if given and Kind.ARCHITECTURE in choices:
        entry = registry.get(Kind.ARCHITECTURE, choices[Kind.ARCHITECTURE].name)
        known = {option for option, _, _ in entry.options()}
        require(set(given) <= known, f"architecture {entry.name!r} has no option {', '.join({*given} - known)}")


def _sets_fields_of_plans(recipe: Recipe, _registry: Registry) -> None:
    build(PlanFields, recipe.options.get(PLAN_WORD, {}), what=PLAN_WORD)


CHECKS: Mapping[str, Callable[[Recipe, Registry], None]] = {
    "chooses components and options that exist": _can_be_chosen,
    "sets fields that plans have": _sets_fields_of_plans,
}
