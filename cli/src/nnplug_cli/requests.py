"""Planning requests from the options of commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nnplug.registry.components import Kind
from nnplug_cli.choices import Choices

if TYPE_CHECKING:
    from nnplug.plans.plans import Choice
    from nnplug.preparation.plan_request import PlanRequest
    from nnplug.registry.components import Registry


def plan_request(
    choices: Choices, overrides: Mapping[str, Mapping[str, Any]], configurations: tuple[str, ...]
) -> PlanRequest:
    """Return the request from names, `--set` values and `--memory-gb`."""
    from nnplug.preparation.plan_request import PlanRequest

    return PlanRequest(
        recipe=choices.recipe,
        name=choices.name,
        components=choices.components,
        options=plan_options(choices, overrides),
        configurations=configurations,
    )


def plan_options(choices: Choices, overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the `--set` values, with `--memory-gb` as an option of the planner."""
    options = {kind: dict(values) for kind, values in overrides.items()}
    if choices.memory_gb is not None:
        options.setdefault("planner", {})["memory_gb"] = choices.memory_gb
    return options


def tracker_choices(
    names: Sequence[str], overrides: Mapping[str, Mapping[str, Any]], registry: Registry
) -> tuple[Choice, ...]:
    """Return the trackers of `--tracker`, with the values of `--set tracker.KEY=VALUE`.

    Raises:
        NnplugError: a tracker or an option does not exist, or an option is set without a tracker.
    """
    from nnplug.training.trackers.chosen import check_trackers, chosen_trackers

    choices = chosen_trackers(names, overrides.get(Kind.TRACKER, {}))
    check_trackers(choices, registry)
    return choices
