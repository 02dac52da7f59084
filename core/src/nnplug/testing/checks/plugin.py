"""The checks of a plugin itself, the module that every command imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nnplug.registry.loader import Plugin, Status, discover
from nnplug.testing.check import loads_no_torch, require


def _loads(plugin: Plugin) -> None:
    require(plugin.status is Status.LOADED, plugin.reason)
    require(not plugin.faults, "; ".join(plugin.faults))


def _is_quick(plugin: Plugin) -> None:
    if plugin.status is Status.LOADED:
        require(not plugin.delay, f"it {plugin.delay}")
        loads_no_torch(next(point.module for source, _, point in discover() if source == plugin.source))


CHECKS: Mapping[str, Callable[[Plugin], None]] = {
    "loads": _loads,
    "imports quickly, without torch": _is_quick,
}
