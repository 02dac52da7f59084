"""The components that the core itself offers, as a plugin like any other: what every project needs."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug.hookspecs import hookimpl
from nnplug.registry.entries import ExecutorComponent


@hookimpl
def nnplug_executors() -> Iterable[ExecutorComponent]:
    """This machine."""
    target = "nnplug.runtime.executor:LocalExecutor"
    yield ExecutorComponent("local", target, "threads of this machine, one training at a time")
