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


def capabilities_without_promise(component: Component, made: type) -> list[str]:
    """Return the capabilities that a class has all methods of, and its entry does not promise: nothing calls them."""
    return [
        promise for promise, methods in component.unpromised() if all(_has_method(made, method) for method in methods)
    ]


def _has_method(made: type, name: str) -> bool:
    """Return whether a class has or inherits a method that is not the stub of a Protocol."""
    for parent in made.__mro__:
        if name in vars(parent):
            return Protocol not in parent.__bases__ and callable(getattr(made, name))
    return False
