"""The checks of each kind of component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from nnplug.errors import NnplugError
from nnplug.registry.components import AnyEntry, Kind, Registry
from nnplug.registry.loader import Plugin, Plugins, Status
from nnplug.testing.check import Check, Checks, Subject
from nnplug.testing.checks import (
    accelerator,
    architecture,
    converter,
    entries,
    executor,
    extractor,
    hub,
    inference,
    metric,
    planner,
    plugin,
    postprocessor,
    reader,
    recipe,
    reporter,
    writer,
)
from nnplug.testing.checks.preparation import normalizer, preprocessor, resampler
from nnplug.testing.checks.training import augmenter, loss, sampler, tracker, trainer

CHECKS: Mapping[Kind, Checks] = {
    Kind.CONVERTER: converter.CHECKS,
    Kind.EXTRACTOR: extractor.CHECKS,
    Kind.PLANNER: planner.CHECKS,
    Kind.PREPROCESSOR: preprocessor.CHECKS,
    Kind.RESAMPLER: resampler.CHECKS,
    Kind.NORMALIZER: normalizer.CHECKS,
    Kind.ARCHITECTURE: architecture.CHECKS,
    Kind.AUGMENTER: augmenter.CHECKS,
    Kind.SAMPLER: sampler.CHECKS,
    Kind.LOSS: loss.CHECKS,
    Kind.TRAINER: trainer.CHECKS,
    Kind.INFERENCE: inference.CHECKS,
    Kind.POSTPROCESSOR: postprocessor.CHECKS,
    Kind.READER: reader.CHECKS,
    Kind.WRITER: writer.CHECKS,
    Kind.TRACKER: tracker.CHECKS,
    Kind.REPORTER: reporter.CHECKS,
    Kind.HUB: hub.CHECKS,
    Kind.EXECUTOR: executor.CHECKS,
    Kind.METRIC: metric.CHECKS,
    Kind.ACCELERATOR: accelerator.CHECKS,
}
"""Kind -> requirement in words -> the function that raises if a component does not satisfy it."""


def checks(entry: AnyEntry, registry: Registry, *, options: Mapping[str, Any] | None = None) -> list[Check]:
    """Return the checks of one component. Nothing runs before `Check.problem` or `Check.run` is called.

    Args:
        entry: the component.
        registry: the registry in which it may look up others, as planners look up architectures.
        options: the options of the component, for other values than the defaults or for options without a default.
    """
    subject = Subject(entry, registry, options or {})
    every = {**entries.CHECKS, **CHECKS[entry.kind]}
    return [Check(name, partial(function, subject)) for name, function in every.items()]


def checks_of(plugins: Plugins, name: str) -> list[tuple[str, Check]]:
    """Return all checks of the plugin or distribution `name`: of itself, its components and its recipes.

    Returns:
        The name of the checked thing ("planner my-lab"), and the check.

    Raises:
        NnplugError: no plugin or distribution has this name, or it is blocked.
    """
    found = _named(plugins, name)
    return [pair for one in found for pair in _checks_of(one, plugins)]


def _checks_of(installed: Plugin, plugins: Plugins) -> Iterator[tuple[str, Check]]:
    for words, test in plugin.CHECKS.items():
        yield f"plugin {installed.source.plugin}", Check(words, partial(test, installed))
    for entry in (e for e in plugins.registry if e.source == installed.source):
        yield from ((f"{entry.kind} {entry.name}", check) for check in checks(entry, plugins.registry))
    for offered in (r for r in plugins.registry.recipes if r.source == installed.source):
        for words, attempt in recipe.CHECKS.items():
            yield f"recipe {offered.recipe.name}", Check(words, partial(attempt, offered.recipe, plugins.registry))


def entries_of(plugins: Plugins, name: str) -> list[AnyEntry]:
    """Return the components of the plugin or distribution `name`.

    Raises:
        NnplugError: no plugin or distribution has this name, or it is blocked or failed to load.
    """
    found = _named(plugins, name)
    for one in found:
        if one.status is Status.FAILED:
            raise NnplugError(f"{one} failed to load: {one.reason}")
    sources = [p.source for p in found]
    return [entry for entry in plugins.registry if entry.source in sources]


def _named(plugins: Plugins, name: str) -> list[Plugin]:
    found = [p for p in plugins if name in (p.source.plugin, p.source.distribution)]
    if not found:
        known = ", ".join(p.source.plugin for p in plugins) or "none"
        raise NnplugError(f"no plugin or distribution is called {name!r}. Installed plugins: {known}.")
    for one in found:
        if one.status is Status.BLOCKED:
            raise NnplugError(f"{one} is blocked: no:{one.blocked_by}")
    return found
