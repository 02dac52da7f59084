"""Keep what earlier plans of the same name decide, as far as a run does not set it.

So a run of another configuration, or one without `--set`, does not undo what was set or changed by hand before, and
folds that are trained stay valid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from nnplug.plans.differences import differences
from nnplug.plans.plans import Normalization, Plans
from nnplug.preparation.make_plans import AFTER_PLANNING, with_options
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.components import Kind, Registry

_OWN = ("configurations", "choices", "recipe")
"""The decisions that are kept one by one."""
_SHOWN = 6
"""The largest number of differences in a notice."""


def keep_earlier(
    plans: Plans,
    earlier: Plans,
    request: PlanRequest,
    make: Callable[[PlanRequest], Plans],
    registry: Registry,
) -> Plans:
    """Return the plans of a request with what earlier plans decide and the request does not.

    - A request without a component keeps the options of all components, and sets its own beside them.
    - Configurations that the request does not name are those of the earlier plans; the others are, too, if nothing that
      is decided before training is set.
    - A request with a recipe or component is planned as it is, apart from the configurations that it does not name.

    Args:
        plans: the plans of the request alone.
        earlier: the plans of the same name on disk, of the same fingerprint.
        request: the user's choices.
        make: makes plans of a request.
        registry: the registry with the components.
    """
    if plans.decisions() == earlier.decisions():
        return plans
    if request.recipe is None and not request.components:
        if set(request.options) <= {str(kind) for kind in AFTER_PLANNING}:
            return with_options(earlier, request.options, registry=registry)
        plans = make(with_earlier_options(earlier, plans, request))
    return _with_configurations_of(earlier, plans, request)


def with_new_normalization(plans: Plans, former: Plans | None, present: Plans) -> Plans:
    """Return plans with the normalisation of the channels whose names have changed.

    Args:
        plans: the plans, with what is kept of earlier ones.
        former: planned with the channel names of the earlier ones; None if the names have not changed.
        present: planned with the present names.
    """
    if former is None:
        return plans
    changed = {}
    for name, own in plans.configurations.items():
        pairs = zip(_normalizations(former, name), _normalizations(present, name), own.normalization, strict=False)
        normalization = tuple(now if now != was else kept for was, now, kept in pairs) or own.normalization
        changed[name] = msgspec.structs.replace(own, normalization=normalization)
    return msgspec.structs.replace(plans, configurations=changed, channel_names=present.channel_names)


def _normalizations(plans: Plans, name: str) -> tuple[Normalization, ...]:
    return plans.configurations[name].normalization if name in plans.configurations else ()


def kept_differences(alone: Plans, kept: Plans) -> list[str]:
    """Return a text per value that is kept, such as "configurations.2d.batch_size: 2 instead of 12"; at most six."""
    found = list(differences(alone.decisions(), kept.decisions()))
    return found if len(found) <= _SHOWN else [*found[: _SHOWN - 1], f"{len(found) - _SHOWN + 1} more"]


def with_earlier_options(earlier: Plans, alone: Plans, request: PlanRequest) -> PlanRequest:
    """Return a request with the components of earlier plans and their options; its own are set beside them.

    A request with a recipe or component is returned as it is.

    Args:
        earlier: the plans on disk.
        alone: the plans of the request alone; a component is named where it is another one there.
        request: the user's choices.
    """
    if request.recipe is not None or request.components:
        return request
    here = {kind: choice.name for kind, choice in alone.choices.items()}
    named = {Kind(kind): one.name for kind, one in earlier.choices.items() if here.get(kind) != one.name}
    options: dict[str, Any] = {str(kind): choice.options for kind, choice in earlier.choices.items() if choice.options}
    given = {str(kind): {**options.get(str(kind), {}), **values} for kind, values in request.options.items()}
    return replace(request, components=named, options={**options, **given})


def _with_configurations_of(earlier: Plans, plans: Plans, request: PlanRequest) -> Plans:
    """Return the plans with the earlier configurations that the request does not name."""
    if not request.configurations or _frame(earlier) != _frame(plans):
        return plans
    kept = {name: one for name, one in earlier.configurations.items() if name not in request.configurations}
    if not kept.keys() <= plans.configurations.keys():
        return plans
    return msgspec.structs.replace(plans, configurations={**plans.configurations, **kept})


def _frame(plans: Plans) -> dict[str, Any]:
    """Return the decisions that all configurations share, with the planner's name."""
    shared = {key: value for key, value in plans.decisions().items() if key not in _OWN}
    planner = plans.choices.get(Kind.PLANNER)
    return {**shared, "planner": None if planner is None else planner.name}
