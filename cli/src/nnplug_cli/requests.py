"""Planning requests from the options of commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnplug_cli.options import Choices

if TYPE_CHECKING:
    from nnplug.preparation.plan_request import PlanRequest


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
