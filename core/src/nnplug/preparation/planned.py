"""Find the component that plans name; plans of an older nnplug name none of some kinds."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from nnplug.errors import UnknownComponent
from nnplug.plans.plans import Choice, Plans
from nnplug.registry.base_entry import ImpliableComponent
from nnplug.registry.components import Entry, Kind, Registry, TypedKind

C = TypeVar("C", bound=ImpliableComponent)
T = TypeVar("T")


def implied_component(kind: TypedKind[C, T], registry: Registry) -> Entry[C, T]:
    """Return the component of plans that name none of this kind, made before the kind existed.

    Raises:
        UnknownComponent: no installed plugin has a component of the kind with `implied=True`.
        AmbiguousComponent: several distributions offer it.
    """
    plain = kind.component.kind
    for entry in registry:
        if entry.kind is plain and isinstance(entry.component, ImpliableComponent) and entry.component.implied:
            return registry.get(kind, entry.name)
    raise UnknownComponent(
        f"the plans are of an older nnplug and name no {plain}, and no installed plugin offers the one that they "
        "mean. Install or unblock the plugin that planned them (see 'providers' in the plans)."
    )


def planned_component(kind: TypedKind[C, T], plans: Plans, registry: Registry) -> tuple[Entry[C, T], Choice]:
    """Return the component of a kind that plans name or imply, and its choice.

    Raises:
        UnknownComponent, AmbiguousComponent: as in `Registry.get` and `implied_component`.
    """
    choice = plans.choices.get(kind.component.kind)
    if choice is None:
        entry = implied_component(kind, registry)
        return entry, Choice(name=entry.name)
    return registry.get(kind, choice.name), choice


def in_form_of(plans: Plans, earlier: Plans, registry: Registry) -> Plans:
    """Return new plans without the names that earlier plans imply: those of kinds that the earlier ones do not name.

    So plans of runs that an older nnplug started stay equal, and so do their digests. A name stays if it has options or
    is not the implied one.

    Args:
        plans: the new plans.
        earlier: the plans with the same name on disk.
        registry: the registry with the components.
    """
    choices = dict(plans.choices)
    for kind in (Kind.PREPROCESSOR, Kind.INFERENCE):
        choice = None if kind in earlier.choices else choices.get(kind)
        if choice is None or choice.options:
            continue
        component = registry.get(kind, choice.name).component
        if isinstance(component, ImpliableComponent) and component.implied:
            del choices[kind]
    return msgspec.structs.replace(plans, choices=choices)
