"""Compare the methods of a class with those that its entry promises."""

from __future__ import annotations

from typing import Protocol

from nnplug.errors import InvalidPlugin, nearest
from nnplug.registry.base_entry import Component


def check_promises(title: str, component: Component, made: type) -> None:
    """Raise unless the class of a component has the methods that its entry promises.

    Args:
        title: the name of the component in messages.
        component: the entry.
        made: the class.

    Raises:
        InvalidPlugin: a method is missing, or is only the stub of a Protocol; the message suggests a similar name.
    """
    for promise, method in component.promised():
        if not _has_method(made, method):
            close = nearest(method, [n for n in dir(made) if _has_method(made, n)])
            hint = f"Did you mean {method!r} by {close!r}?" if close else f"Add it, or do not say {promise}."
            raise InvalidPlugin(
                f"{title} says {promise} in its entry, but {made.__name__} has no method {method!r}. {hint}"
            )


def capabilities_without_promise(component: Component, made: type, *, inherited: bool) -> list[str]:
    """Return the capabilities that a class has all methods of, and its entry does not promise: nothing calls them.

    Args:
        component: the entry.
        made: the class.
        inherited: whether to return those whose methods are all of another package's base class; else the others.
    """
    found = []
    for promise, methods in component.unpromised():
        owners = [_owner(made, method) for method in methods]
        if None not in owners and inherited == all(_package(owner) != _package(made) for owner in owners):
            found.append(promise)
    return found


def _has_method(made: type, name: str) -> bool:
    """Return whether a class has or inherits a method that is not the stub of a Protocol."""
    return _owner(made, name) is not None


def _owner(made: type, name: str) -> type | None:
    """Return the class that defines a method which is not the stub of a Protocol; None if there is none."""
    owner = next((parent for parent in made.__mro__ if name in vars(parent)), None)
    return None if owner is None or Protocol in owner.__bases__ or not callable(getattr(made, name)) else owner


def _package(made: type | None) -> str:
    return "" if made is None else made.__module__.partition(".")[0]
