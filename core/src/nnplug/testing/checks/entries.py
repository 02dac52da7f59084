"""The checks of an entry of any kind."""

from __future__ import annotations

from nnplug.registry.promises import capabilities_without_promise
from nnplug.testing.check import Checks, NotChecked, Subject, require


def _declares_capabilities(subject: Subject) -> None:
    target = subject.entry.load()
    if not isinstance(target, type):
        raise NotChecked("its target is a function, whose class is not known")
    component = subject.entry.component
    found = capabilities_without_promise(component, target, inherited=False)
    require(not found, f"{target.__name__} has the methods of {', '.join(found)}, but its entry does not say so")
    if others := capabilities_without_promise(component, target, inherited=True):
        raise NotChecked(
            f"{target.__name__} inherits the methods of {', '.join(others)}, which are not used: its entry does not "
            "say so, which is right if they do not fit what the class changes"
        )


CHECKS: Checks = {"says in its entry what its class can do": _declares_capabilities}
"""A requirement of every kind -> the function that raises if a component does not satisfy it."""
