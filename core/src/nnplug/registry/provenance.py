"""Record the components that a run used, with their distributions, and find them again."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Self

from nnplug.errors import Line, MissingProvider, within
from nnplug.registry.components import AnyEntry, Kind
from nnplug.registry.loader import Plugin, Plugins, Status
from nnplug.remedies import Action
from nnplug.runtime.records import Record


class Provider(Record, frozen=True, kw_only=True):
    """The component, distribution and version that a name meant when it was used."""

    kind: Kind
    name: str
    target: str
    plugin: str
    distribution: str
    version: str
    state_version: int

    @classmethod
    def of(cls, entry: AnyEntry) -> Self:
        """Return the provider of an entry of the present registry."""
        component, source = entry.component, entry.source
        return cls(
            kind=entry.kind,
            name=component.name,
            target=component.target,
            plugin=source.plugin,
            distribution=source.distribution,
            version=source.version,
            state_version=component.state_version,
        )


def record(entries: Iterable[AnyEntry]) -> tuple[Provider, ...]:
    """Return one provider per distinct entry, in the order of kinds and names."""
    order = list(Kind)
    lines = {Provider.of(entry): None for entry in entries}
    return tuple(sorted(lines, key=lambda p: (order.index(p.kind), p.name)))


def resolve(
    providers: Iterable[Provider], plugins: Plugins, *, what: str, kinds: Iterable[Kind] = tuple(Kind)
) -> tuple[dict[tuple[Kind, str], AnyEntry], list[str]]:
    """Return the present entry of each recorded provider.

    Args:
        providers: the record of a run, plans or bundle.
        plugins: the installed plugins.
        what: the beginning of messages: the thing that needs the components ("this model").
        kinds: the kinds that the caller will use. Components of other kinds need not be installed.

    Returns:
        (kind, name) -> entry, and a line for each component whose distribution now has another version.

    Raises:
        MissingProvider: a component is not available; the message has the remedy.
    """
    wanted = set(kinds)
    entries: dict[tuple[Kind, str], AnyEntry] = {}
    notes: list[str] = []
    for was in (p for p in providers if p.kind in wanted):
        entry = _find(was, plugins, what)
        if entry.source.version != was.version:
            notes.append(
                f"{was.kind} {was.name!r}: saved with {was.distribution} {was.version}, used with {entry.source}"
            )
        entries[was.kind, was.name] = entry
    return entries, notes


def _find(was: Provider, plugins: Plugins, what: str) -> AnyEntry:
    origin = (was.plugin, was.distribution)
    found = plugins.registry.find(was.kind, was.name)
    mine = [e for e in found if (e.source.plugin, e.source.distribution) == origin]
    if not mine:
        needs = f"{what} needs {was.kind} {was.name!r} from {was.distribution} {was.version}"
        raise MissingProvider(within(needs, _why(was, plugins)))
    entry = mine[0]  # a plugin that offers one name twice is not loaded
    if entry.component.state_version != was.state_version:
        raise MissingProvider(
            f"{what} needs {was.kind} {was.name!r} with state version {was.state_version}, but {entry.source} reads "
            f"state version {entry.component.state_version}. Run: {_install(was)}"
        )
    return entry


def _why(was: Provider, plugins: Plugins) -> str:
    """Return the rest of the message: the reason why the provider is not found, and the remedy."""
    plugin = next(
        (p for p in plugins if (p.source.plugin, p.source.distribution) == (was.plugin, was.distribution)), None
    )
    return _missing(was) if plugin is None else _present(was, plugin)


def _present(was: Provider, plugin: Plugin) -> str:
    if plugin.status is Status.BLOCKED:
        return Line(", which is blocked", Action.UNBLOCK_PLUGIN(name=plugin.blocked_by))
    if plugin.status is Status.FAILED:
        return (
            f", which is installed but failed to load ({plugin.reason}). Run: pip install --upgrade {was.distribution}"
        )
    return f", but {plugin.source} no longer offers it. Run: {_install(was)}"


def _missing(was: Provider) -> str:
    try:
        installed = version(was.distribution)
    except PackageNotFoundError:
        return f", which is not installed. Run: {_install(was)}"
    return f", but {was.distribution} {installed} has no plugin {was.plugin!r}. Run: {_install(was)}"


def _install(was: Provider) -> str:
    return f"pip install '{was.distribution}=={was.version}'"
