"""Find, load and block plugins."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.metadata import Distribution, EntryPoint, distributions, version
from typing import Any, TypeVar

import pluggy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nnplug import hookspecs
from nnplug.errors import Interruption, InvalidPlugin, Line, did_you_mean, within
from nnplug.registry.commands import OfferedCommand, PluginCommand
from nnplug.registry.components import AnyEntry, Component, Entry, Kind, OfferedRecipe, Recipe, Registry, Source
from nnplug.registry.entries import COMPONENTS
from nnplug.registry.module_text import may_implement
from nnplug.remedies import Action, Names, Remedy
from nnplug.runtime.progress import Progress

CORE = "nnplug-core"
RECIPES_HOOK = "nnplug_recipes"
COMMANDS_HOOK = "nnplug_commands"
HOOKS = (*(kind.hook for kind in Kind), RECIPES_HOOK, COMMANDS_HOOK)

SLOW = 2.0
"""Seconds above which a slow import of a plugin is reported: every command imports all plugins."""

Offer = TypeVar("Offer", bound=Component | Recipe | PluginCommand)


class Status(StrEnum):
    """The status of an installed plugin."""

    LOADED = "loaded"
    BLOCKED = "blocked"
    FAILED = "failed"


@dataclass(frozen=True)
class Plugin:
    """An installed plugin.

    Attributes:
        source: its name, distribution and version.
        status: loaded, blocked or failed.
        reason: the reason of a failure.
        blocked_by: the name that blocked it, of the plugin or of the distribution.
        seconds: the time to import it and to read its entries.
        faults: a line for each of its recipes that is off; everything else of the plugin is offered.
    """

    source: Source
    status: Status
    reason: str = ""
    blocked_by: str = ""
    seconds: float = 0.0
    faults: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the text for messages."""
        return f"plugin {self.source.plugin!r} of {self.source}"

    @property
    def delay(self) -> str:
        """The warning about a plugin that is slow to import; empty for others."""
        if self.seconds < SLOW:
            return ""
        return Line(f"took {self.seconds:.1f} s to import", _leave_out(self.source))


class Plugins:
    """The plugins of one process and their entries. Create one where you need it; nothing is global."""

    def __init__(self, *, block: Collection[str] = (), hook: str | None = None) -> None:
        """Load every installed plugin except those whose plugin or distribution name is in `block`.

        Args:
            block: names of plugins or distributions.
            hook: a hook; plugins whose module does not have this word are left out, and not imported.

        Raises:
            InvalidPlugin: no installed plugin or distribution has a name in `block`.
        """
        self._block = tuple(block)
        self._plugins: list[Plugin] = []
        self._entries: list[AnyEntry] = []
        self._recipes: list[OfferedRecipe] = []
        self._commands: list[OfferedCommand] = []
        found = list(discover())
        for source, distribution, entry_point in found:
            blocked = _blocked(source, block)
            if blocked or hook is None or may_implement(entry_point.module, hook):
                self._plugins.append(blocked or self._load(source, distribution, entry_point))
        _check_blocked(block, [source for source, _, _ in found])
        self.registry = Registry(self._entries, self._recipes)
        self.commands = tuple(sorted(self._commands, key=lambda one: (one.command.words, one.source.distribution)))

    def __iter__(self) -> Iterator[Plugin]:
        """Return an iterator over the installed plugins, sorted by distribution and name."""
        return iter(self._plugins)

    def __reduce__(self) -> tuple[Callable[[], Plugins], tuple[()]]:
        """Pickle the blocked names only: another process loads the plugins of its own environment."""
        return partial(Plugins, block=self._block), ()

    def _load(self, source: Source, distribution: Distribution, entry_point: EntryPoint) -> Plugin:
        """Load one plugin and return its status. A failure is stored in the status, and other plugins still load."""
        started = time.perf_counter()
        reason = ""
        faults: tuple[str, ...] = ()
        try:
            check_core_requirement(distribution)
            offers = collect(entry_point.load(), source)
            self._entries += offers.entries
            self._recipes += [offered for offered in offers.recipes if not offered.recipe.fault]
            self._commands += offers.commands
            faults = tuple(
                f"recipe {one.recipe.name!r} is off: {one.recipe.fault}" for one in offers.recipes if one.recipe.fault
            )
        except KeyboardInterrupt as error:  # a user interrupts a slow import: the message names the plugin
            raise KeyboardInterrupt(Line(f"while {source} was being imported", _leave_out(source))) from error
        except Interruption:
            raise
        except InvalidPlugin as error:
            reason = str(error)
        except BaseException as error:  # noqa: BLE001 - sys.exit() and a panic in an extension are no `Exception`
            reason = _one_line(error)
        status = Status.FAILED if reason else Status.LOADED
        return Plugin(source, status, reason, seconds=time.perf_counter() - started, faults=faults)


@dataclass(frozen=True)
class Offers:
    """The entries, recipes and commands of one plugin."""

    entries: list[AnyEntry]
    recipes: list[OfferedRecipe]
    commands: list[OfferedCommand]


def collect(plugin: Any, source: Source) -> Offers:
    """Call the hooks of one plugin and return its entries, recipes and commands.

    Each plugin has its own pluggy manager, so that a faulty plugin cannot affect another.

    Raises:
        InvalidPlugin: the plugin implements no hook, an unknown one or one with unknown arguments, or it offers
            something that is no entry, or one name twice.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    _register(manager, plugin, source.plugin)
    entries: list[AnyEntry] = [
        Entry(offer, source) for wanted in COMPONENTS.values() for offer in _offers(manager, wanted.kind.hook, wanted)
    ]
    recipes = [OfferedRecipe(r, source) for r in _offers(manager, RECIPES_HOOK, Recipe)]
    commands = [OfferedCommand(c, source) for c in _offers(manager, COMMANDS_HOOK, PluginCommand)]
    names = [(str(e.kind), e.name) for e in entries]
    names += [("recipe", r.recipe.name) for r in recipes] + [("command", c.command.words) for c in commands]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidPlugin(f"offers {twice[0][0]} {twice[0][1]!r} twice")
    return Offers(entries, recipes, commands)


def _register(manager: pluggy.PluginManager, plugin: Any, name: str) -> None:
    """Register a plugin, and raise `InvalidPlugin` for a misspelt hook, which pluggy would never call."""
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise InvalidPlugin(" ".join(str(error).split())) from error
    hooks = [caller.name for caller in manager.get_hookcallers(plugin) or ()]
    for hook in sorted(set(hooks) - set(HOOKS)):
        hint = did_you_mean(hook, HOOKS, f"Hooks are {', '.join(HOOKS)}.")
        raise InvalidPlugin(f"implements the unknown hook {hook!r}. {hint}")
    if not hooks:
        raise InvalidPlugin("implements no hook of nnplug; decorate its functions with @nnplug.hookimpl")


def _offers(manager: pluggy.PluginManager, hook: str, wanted: type[Offer]) -> Iterator[Offer]:
    for offer in _given(manager, hook):
        if not isinstance(offer, wanted):
            raise InvalidPlugin(f"{hook} gave {offer!r}, which is no {wanted.__name__}")
        yield offer


def _given(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    """Return the entries that the only plugin of a manager offers for a hook."""
    caller = getattr(manager.hook, hook)
    if not caller.get_hookimpls():
        return []
    try:
        results = caller()  # pluggy drops None
        given = [offer for offers in results for offer in offers]
    except InvalidPlugin:
        raise
    except Exception as error:
        raise InvalidPlugin(f"{hook} raised {_one_line(error)}") from error
    if not results:
        raise InvalidPlugin(f"{hook} gave None; return or yield its entries")
    return given


def _one_line(error: BaseException) -> str:
    """Return type and message of an exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def discover(group: str = hookspecs.PROJECT) -> Iterator[tuple[Source, Distribution, EntryPoint]]:
    """Yield each plugin entry point of this environment once, sorted by distribution and name."""
    first: dict[str, Distribution] = {}  # a distribution can be on sys.path twice; imports use the first
    for distribution in distributions():
        if f"[{group}]" in (distribution.read_text("entry_points.txt") or ""):  # faster than parsing all of them
            first.setdefault(canonicalize_name(distribution.name), distribution)
    for name, distribution in sorted(first.items()):
        for entry_point in sorted(distribution.entry_points.select(group=group), key=lambda e: e.name):
            yield Source(entry_point.name, name, distribution.version), distribution, entry_point


def check_core_requirement(distribution: Distribution) -> None:
    """Raise unless the metadata of a plugin allows the version of the core that is running.

    Raises:
        InvalidPlugin: it does not; the message has both versions and the remedy.
    """
    running = version(CORE)
    for line in distribution.requires or ():
        need = Requirement(line)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        if canonicalize_name(need.name) == CORE and not need.specifier.contains(running, prereleases=True):
            upgrade = f"pip install --upgrade {CORE} {distribution.name}"
            raise InvalidPlugin(f"needs {need}, but {CORE} {running} is installed. Run: {upgrade}")


def _leave_out(source: Source) -> Remedy:
    return Action.BLOCK_PLUGINS(names=Names((source.distribution,)))


def _names(name: str) -> set[str]:
    """Return the names that a blocked name matches: a plugin's exact name, or a distribution's in any spelling."""
    return {name, canonicalize_name(name)}


def _blocked(source: Source, block: Collection[str]) -> Plugin | None:
    for name in block:
        if _names(name) & {source.plugin, source.distribution}:
            return Plugin(source, Status.BLOCKED, blocked_by=name)
    return None


def _check_blocked(block: Collection[str], sources: Iterable[Source]) -> None:
    known = sorted({name for source in sources for name in (source.plugin, source.distribution)})
    for name in block:
        if not _names(name) & set(known):
            hint = did_you_mean(name, known, f"Installed: {', '.join(known) or 'none'}.")
            raise InvalidPlugin(f"cannot block {name!r}: no plugin or distribution of that name. {hint}")


def report_plugins(plugins: Plugins, progress: Progress) -> None:
    """Report plugins that fail to load or have faults as warnings, and slow ones as notices."""
    for plugin in plugins:
        if plugin.status is Status.FAILED:
            progress.warning(f"{plugin} is off: {plugin.reason}")
        for fault in plugin.faults:
            progress.warning(f"{plugin}: {fault}")
        if plugin.delay:
            progress.notice(within(f"{plugin} ", plugin.delay))
