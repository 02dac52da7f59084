"""The components of the core. Every project needs them; the core offers them as a plugin does."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug.hookspecs import hookimpl
from nnplug.registry.entries import ExecutorComponent


@hookimpl
def nnplug_executors() -> Iterable[ExecutorComponent]:
    """Offer the executor that runs jobs on this machine."""
    target = "nnplug.runtime.executor:LocalExecutor"
    yield ExecutorComponent("local", target, "threads of this machine, one training at a time")
