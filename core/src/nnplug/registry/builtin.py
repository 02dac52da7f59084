"""What the core itself offers, as a plugin like any other: what every project needs whoever plans and trains."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug.hookspecs import hookimpl
from nnplug.registry.components import Component


@hookimpl
def nnplug_executors() -> Iterable[Component]:
    """This machine."""
    yield Component("local", "nnplug.runtime.executor:LocalExecutor", "threads of this machine, one training at a time")
