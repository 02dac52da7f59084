"""Requests of steps from the choices of a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnplug.plans.plans import Choice
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.components import Kind, Registry
from nnplug.steps.choices import PlanChoices
from nnplug.training.trackers.choose_trackers import check_trackers, chosen_trackers

Overrides = Mapping[str, Mapping[str, Any]]
"""A kind or "plan" -> option -> value."""


def plan_request(choices: PlanChoices, overrides: Overrides, configurations: tuple[str, ...]) -> PlanRequest:
    """Return the request from names, options and the memory target."""
    return PlanRequest(
        recipe=choices.recipe,
        name=choices.name,
        components=choices.components,
        options=plan_options(choices, overrides),
        configurations=configurations,
    )


def plan_options(choices: PlanChoices, overrides: Overrides) -> dict[str, dict[str, Any]]:
    """Return the overrides, with the memory target as an option of the planner."""
    options = {kind: dict(values) for kind, values in overrides.items()}
    if choices.memory_gb is not None:
        options.setdefault("planner", {})["memory_gb"] = choices.memory_gb
    return options


def tracker_choices(names: Sequence[str], overrides: Overrides, registry: Registry) -> tuple[Choice, ...]:
    """Return the trackers by name, with the values of the options "tracker.KEY".

    Raises:
        NnplugError: a tracker or an option does not exist, or an option is set without a tracker.
    """
    choices = chosen_trackers(names, overrides.get(Kind.TRACKER, {}))
    check_trackers(choices, registry)
    return choices
