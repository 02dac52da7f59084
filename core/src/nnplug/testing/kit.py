"""The checks of each kind of component."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from nnplug.components import Entry, Kind, Registry
from nnplug.errors import NnplugError
from nnplug.plugins import Plugins, Status
from nnplug.testing import (
    architecture,
    augmenter,
    converter,
    executor,
    extractor,
    metric,
    normalizer,
    planner,
    postprocessor,
    trainer,
)
from nnplug.testing.check import Check, Checks, Subject

CHECKS: Mapping[Kind, Checks] = {
    Kind.CONVERTER: converter.CHECKS,
    Kind.EXTRACTOR: extractor.CHECKS,
    Kind.PLANNER: planner.CHECKS,
    Kind.NORMALIZER: normalizer.CHECKS,
    Kind.ARCHITECTURE: architecture.CHECKS,
    Kind.AUGMENTER: augmenter.CHECKS,
    Kind.TRAINER: trainer.CHECKS,
    Kind.POSTPROCESSOR: postprocessor.CHECKS,
    Kind.EXECUTOR: executor.CHECKS,
    Kind.METRIC: metric.CHECKS,
}
"""Kind -> what its components must do -> the function that raises where one does not."""


def checks(entry: Entry, registry: Registry, *, options: Mapping[str, Any] | None = None) -> list[Check]:
    """The checks of one component; nothing runs before `Check.problem` or `Check.run` is called.

    Args:
        entry: the component.
        registry: where it may look up others, as planners look up architectures.
        options: to build it with, where its defaults are not what is to be checked or an option has none.
    """
    subject = Subject(entry, registry, options or {})
    return [Check(name, partial(function, subject)) for name, function in CHECKS[entry.kind].items()]


def entries_of(plugins: Plugins, name: str) -> list[Entry]:
    """The components of the plugin or distribution `name`.

    Raises:
        NnplugError: there is none of that name, or it is blocked or failed to load.
    """
    found = [p for p in plugins if name in (p.source.plugin, p.source.distribution)]
    if not found:
        known = ", ".join(p.source.plugin for p in plugins) or "none"
        raise NnplugError(f"no plugin or distribution is called {name!r}. Installed plugins: {known}.")
    for plugin in found:
        if plugin.status is not Status.LOADED:
            reason = plugin.reason or f"no:{plugin.blocked_by}"
            raise NnplugError(f"plugin {plugin.source.plugin!r} of {plugin.source} is {plugin.status}: {reason}")
    sources = [p.source for p in found]
    return [entry for entry in plugins.registry if entry.source in sources]
