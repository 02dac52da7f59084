"""Expand a recipe into choices of components. The default recipe fills the kinds that it leaves out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnplug.errors import AmbiguousComponent, NnplugError
from nnplug.registry.components import Kind, Recipe, Registry
from nnplug.remedies import Action, Names

REQUIRED = (Kind.EXTRACTOR, Kind.PLANNER, Kind.PREPROCESSOR, Kind.AUGMENTER, Kind.TRAINER, Kind.POSTPROCESSOR)
"""The kinds that plans must name. If the user names no architecture or normalizers, the planner chooses them."""


@dataclass(frozen=True)
class Preset:
    """The choices of recipes, before the user's own names and options.

    Attributes:
        recipe: the name of the recipe; empty if the user names every kind and no plugin offers a default.
        is_default: whether this recipe is the default, or there is none.
        choices: kind -> name of the component.
        options: kind -> options of that component.
    """

    recipe: str
    is_default: bool
    choices: Mapping[str, str]
    options: Mapping[str, Mapping[str, Any]]


def preset(
    registry: Registry, recipe: str | None, named: Collection[str] = (), needed: Sequence[Kind] = REQUIRED
) -> Preset:
    """Return the choices of a recipe. The default recipe fills kinds that plans must name and that it leaves out.

    Args:
        registry: the components and recipes of the plugins.
        recipe: the name of the recipe; None for the default.
        named: the kinds that the user names.
        needed: the kinds that the user or a recipe must name.

    Raises:
        UnknownComponent: no plugin offers a recipe with this name.
        AmbiguousComponent: several plugins do; or a kind is missing and several plugins offer a default recipe.
        NnplugError: a kind is named neither by the user nor by a recipe; the message shows how to choose.
    """
    asked = None if recipe is None else registry.recipe(recipe)
    incomplete = _missing(needed, named, asked)
    default = asked if asked and asked.default else _default(registry, incomplete, asked)
    own = asked or default
    if missing := _missing(incomplete, (), default):
        raise _refusal(registry, missing, own, default)
    filled = [str(kind) for kind in REQUIRED if default and kind in default.choices and kind not in _choices(own)]
    options = {kind: dict(values) for kind, values in _options(default).items() if kind in filled}
    for kind, values in _options(own).items():
        options[kind] = {**options.get(kind, {}), **values}
    choices = {**{kind: _choices(default)[kind] for kind in filled}, **_choices(own)}
    return Preset(own.name if own else "", own is default, choices, options)


def component_name(registry: Registry, kind: Kind, recipe: str | None = None) -> str:
    """Return the name of the component that a recipe, or else the default recipe, chooses for a kind.

    Raises:
        NnplugError: as in `preset`, for this kind.
    """
    return preset(registry, recipe, needed=(kind,)).choices[kind]


def _default(registry: Registry, incomplete: Sequence[Kind], asked: Recipe | None) -> Recipe | None:
    if asked and not incomplete:
        return None
    try:
        return registry.default_recipe()
    except AmbiguousComponent:
        if incomplete:
            raise
        return None


def _missing(needed: Sequence[Kind], named: Collection[str], recipe: Recipe | None) -> list[Kind]:
    return [kind for kind in needed if kind not in named and kind not in _choices(recipe)]


def _choices(recipe: Recipe | None) -> Mapping[str, str]:
    return recipe.choices if recipe else {}


def _options(recipe: Recipe | None) -> Mapping[str, Mapping[str, Any]]:
    return recipe.options if recipe else {}


def _refusal(registry: Registry, missing: Sequence[Kind], own: Recipe | None, default: Recipe | None) -> NnplugError:
    """Return the error that names the missing kinds, and how to choose them."""
    asked = f"recipe {own.name!r} names none and " if own and own is not default else ""
    why = f"the default recipe {default.name!r} names none" if default else "no plugin offers a default recipe"
    known = ", ".join(offered.recipe.name for offered in registry.recipes) or "none"
    return NnplugError(
        f"no {', '.join(missing)} is chosen: {asked}{why}", Action.CHOOSE_KINDS(kinds=Names(missing), known=known)
    )
