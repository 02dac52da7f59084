"""Finding, loading and blocking plugins."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import Distribution, EntryPoint, distributions, version
from typing import TypeVar

import pluggy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nnplug import hookspecs
from nnplug.components import Component, Entry, Kind, OfferedRecipe, Recipe, Registry, Source
from nnplug.errors import InvalidPlugin

CORE = "nnplug-core"

Offer = TypeVar("Offer", Component, Recipe)


class Status(StrEnum):
    """What became of an installed plugin."""

    LOADED = "loaded"
    BLOCKED = "blocked"
    FAILED = "failed"


@dataclass(frozen=True)
class Plugin:
    """An installed plugin.

    Attributes:
        source: its name, distribution and version.
        status: loaded, blocked or failed.
        reason: why it failed.
        blocked_by: the name that blocked it: the plugin's or the distribution's.
    """

    source: Source
    status: Status
    reason: str = ""
    blocked_by: str = ""


class Plugins:
    """The plugins of one process and what they offer. Build one where you need it; nothing is global."""

    def __init__(self, *, block: Collection[str] = ()) -> None:
        """Load every installed plugin except those whose plugin or distribution name is in `block`.

        Raises:
            InvalidPlugin: a name in `block` is that of no installed plugin.
        """
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._plugins: list[Plugin] = []
        self._entries: list[Entry] = []
        self._recipes: list[OfferedRecipe] = []
        for source, distribution, entry_point in discover():
            blocked_by = sorted({source.plugin, source.distribution} & set(block))
            if blocked_by:
                self._plugins.append(Plugin(source, Status.BLOCKED, blocked_by=blocked_by[0]))
            else:
                self._plugins.append(self._try(source, distribution, entry_point))
        self.registry = Registry(self._entries, self._recipes)
        self._check_blocked(block)

    def __iter__(self) -> Iterator[Plugin]:
        """Every installed plugin, by distribution name."""
        return iter(self._plugins)

    def _try(self, source: Source, distribution: Distribution, entry_point: EntryPoint) -> Plugin:
        """Load one plugin; a failure is reported in its place and stops no other."""
        try:
            self._load(source, distribution, entry_point)
        except InvalidPlugin as error:
            return Plugin(source, Status.FAILED, str(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code may raise anything while it is imported
            return Plugin(source, Status.FAILED, f"{type(error).__name__}: {error}")
        return Plugin(source, Status.LOADED)

    def _load(self, source: Source, distribution: Distribution, entry_point: EntryPoint) -> None:
        check_core_requirement(distribution)
        if self._manager.has_plugin(source.plugin):
            raise InvalidPlugin(f"another distribution already named its plugin {source.plugin!r}")
        plugin = entry_point.load()
        self._manager.register(plugin, name=source.plugin)
        try:
            entries, recipes = self._collect(source)
        except BaseException:
            self._manager.unregister(name=source.plugin)
            raise
        self._entries += entries
        self._recipes += recipes

    def _collect(self, source: Source) -> tuple[list[Entry], list[OfferedRecipe]]:
        self._check_hooks(source)
        entries = [Entry(kind, c, source) for kind in Kind for c in self._offers(kind.hook, source, Component)]
        recipes = [OfferedRecipe(r, source) for r in self._offers("nnplug_recipes", source, Recipe)]
        names = [(str(e.kind), e.name) for e in entries] + [("recipe", r.recipe.name) for r in recipes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidPlugin(f"offers {twice[0][0]} {twice[0][1]!r} twice")
        return entries, recipes

    def _check_hooks(self, source: Source) -> None:
        """Turn a misspelt hook, which pluggy would never call, into an error."""
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise InvalidPlugin(f"implements an unknown hook ({str(error).splitlines()[0]})") from error
        if not self._manager.get_hookcallers(self._manager.get_plugin(source.plugin)):
            raise InvalidPlugin("implements no hook of nnplug; decorate its functions with @nnplug.hookimpl")

    def _offers(self, hook: str, source: Source, wanted: type[Offer]) -> Iterator[Offer]:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin_name != source.plugin:
                continue
            for offer in implementation.function() or ():
                if not isinstance(offer, wanted):
                    raise InvalidPlugin(f"{hook} gave {offer!r}, which is no {wanted.__name__}")
                yield offer

    def _check_blocked(self, block: Collection[str]) -> None:
        known = {name for p in self for name in (p.source.plugin, p.source.distribution)}
        if unknown := sorted(set(block) - known):
            raise InvalidPlugin(
                f"cannot block {unknown[0]!r}: installed plugins are {', '.join(sorted(known)) or 'none'}"
            )


def discover(group: str = hookspecs.PROJECT) -> Iterator[tuple[Source, Distribution, EntryPoint]]:
    """Give each plugin entry point of this environment once, by distribution and name."""
    first: dict[str, Distribution] = {}  # a distribution can be on sys.path twice
    for distribution in distributions():
        if any(entry_point.group == group for entry_point in distribution.entry_points):
            first.setdefault(canonicalize_name(distribution.name), distribution)
    for name, distribution in sorted(first.items()):
        for entry_point in sorted(distribution.entry_points.select(group=group), key=lambda e: e.name):
            yield Source(entry_point.name, name, distribution.version), distribution, entry_point


def check_core_requirement(distribution: Distribution) -> None:
    """Refuse a plugin whose own metadata excludes the core that is running.

    Raises:
        InvalidPlugin: as the name says; the message holds both versions and the remedy.
    """
    running = version(CORE)
    for line in distribution.requires or ():
        need = Requirement(line)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        if canonicalize_name(need.name) == CORE and not need.specifier.contains(running, prereleases=True):
            raise InvalidPlugin(
                f"needs {need}, but {CORE} {running} is installed. Run: pip install --upgrade {distribution.name}"
            )
