"""Check that what a component returns can be stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnplug.registry.attribution import broken, expect


def check_json(component: object, given: Any, what: str) -> dict[str, Any]:
    """Return a mapping that a component gave as a dictionary, if JSON holds all of its values.

    Args:
        component: the component, which messages name.
        given: its result.
        what: the name of the result in messages ("a rule").

    Raises:
        InvalidPlugin: it is no mapping, a key is no text, or a value is no JSON; the message has the place of it.
    """
    values: Mapping[str, Any] = expect(component, given, Mapping)  # type: ignore[type-abstract]
    if fault := _fault(values, ""):
        raise broken(component, f"gave {what} that JSON does not hold: {fault}")
    return dict(values)


def _fault(value: Any, place: str) -> str:
    """Return place and type of the first value that JSON does not hold, or ""."""
    if value is None or isinstance(value, str | int | float):
        return ""
    if isinstance(value, Mapping):
        odd = [f"the key {key!r}{_at(place)} is {type(key).__name__}" for key in value if not isinstance(key, str)]
        inner = (_fault(item, f"{place}.{key}".lstrip(".")) for key, item in value.items())
        return next(filter(None, (*odd, *inner)), "")
    if isinstance(value, list | tuple):
        return next(filter(None, (_fault(item, f"{place}[{index}]") for index, item in enumerate(value))), "")
    kind = type(value)
    return f"{place} is {kind.__module__}.{kind.__qualname__}".replace(" builtins.", " ")


def _at(place: str) -> str:
    return f" of {place}" if place else ""
