"""What a plugin hands to the core, and where the core keeps it."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from nnplug.errors import AmbiguousComponent, InvalidPlugin, UnknownComponent
from nnplug.registry.attribution import Origin, attributed, tagged
from nnplug.registry.options import build, describe

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class Kind(StrEnum):
    """The kinds of component that a plugin can offer, in the order in which a run uses them, others last."""

    EXTRACTOR = "extractor"
    PLANNER = "planner"
    NORMALIZER = "normalizer"
    ARCHITECTURE = "architecture"
    AUGMENTER = "augmenter"
    TRAINER = "trainer"
    POSTPROCESSOR = "postprocessor"
    METRIC = "metric"
    CONVERTER = "converter"
    EXECUTOR = "executor"

    @property
    def planned(self) -> bool:
        """Whether plans name a component of this kind; the others are chosen anew for each command."""
        return self not in (Kind.METRIC, Kind.CONVERTER, Kind.EXECUTOR)

    @property
    def hook(self) -> str:
        """The hook through which plugins offer components of this kind."""
        return f"nnplug_{self}s"


def _check_name(what: str, name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidPlugin(f"{what} name {name!r} is not lower-case words joined by hyphens")


def _check_summary(what: str, name: str, summary: str) -> None:
    if not isinstance(summary, str) or len(summary.splitlines()) > 1:
        raise InvalidPlugin(f"summary of {what} {name!r} is {summary!r}, which is no line of text")


@dataclass(frozen=True)
class Component:
    """One selectable implementation: a name and the place it is imported from.

    Attributes:
        name: what users type and what plans and weights record; lower-case words joined by hyphens.
        target: "package.module:attribute", a class whose keyword arguments are the component's options.
            It is imported when somebody chooses the name, never by listing.
        summary: one line for `nnplug components`.
        state_version: raise it when weights or rules that an older version saved can no longer be read.
    """

    name: str
    target: str
    summary: str
    state_version: int = 1

    def __post_init__(self) -> None:
        """Refuse what could not be typed, imported or listed."""
        _check_name("component", self.name)
        _check_summary("component", self.name, self.summary)
        if not isinstance(self.target, str) or not _TARGET.fullmatch(self.target):
            raise InvalidPlugin(f"target {self.target!r} of component {self.name!r} is not 'package.module:attribute'")
        if type(self.state_version) is not int:
            raise InvalidPlugin(f"state_version of component {self.name!r} is {self.state_version!r}; expected an int")


@dataclass(frozen=True)
class Recipe:
    """A named choice of components, and options for them; expanded into the plans when planning.

    Attributes:
        name: what `--recipe` takes.
        choices: kind -> component name. What is left out is taken from the recipe "nnunet".
        summary: one line for listings.
        options: kind -> options of the chosen component, as `--set KIND.KEY=VALUE` would give them.
    """

    name: str
    choices: Mapping[str, str]
    summary: str
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse kinds that do not exist: a typo must not choose the default silently."""
        _check_name("recipe", self.name)
        _check_summary("recipe", self.name, self.summary)
        kinds = [str(kind) for kind in Kind if kind.planned]
        if unknown := sorted({*self.choices, *self.options} - set(kinds)):
            raise InvalidPlugin(f"recipe {self.name!r} chooses {', '.join(unknown)}; kinds are {', '.join(kinds)}")


@dataclass(frozen=True)
class Source:
    """The plugin, and the installed distribution, that something came from."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        """Render as pip would name it."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Entry:
    """A component with its kind and its source."""

    kind: Kind
    component: Component
    source: Source

    @property
    def name(self) -> str:
        """The component's name."""
        return self.component.name

    def __str__(self) -> str:
        """Render as messages name it: kind, name and distribution."""
        return f"{self.kind} {self.name!r} from {self.source}"

    @property
    def origin(self) -> Origin:
        """The entry as error messages name it."""
        return Origin(str(self), self.source.distribution, self.component.target.partition(":")[0])

    def load(self) -> Any:
        """Import the target.

        Raises:
            InvalidPlugin: the target cannot be imported or called; the message names component and distribution.
        """
        try:
            target = pkgutil.resolve_name(self.component.target)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit() or a panic in an extension is no Exception
            raise InvalidPlugin(
                f"{self} cannot be imported ({self.component.target}: {type(error).__name__}: {error})"
            ) from error
        if not callable(target):
            raise InvalidPlugin(f"{self} is no class ({self.component.target} is {target!r})")
        return target

    def create(self, options: Mapping[str, Any] | None = None) -> Any:
        """Import the target and build it with checked options; what it raises later is told under this entry's name.

        Raises:
            InvalidPlugin: as `load`, or an option's annotation cannot be used.
            InvalidOptions: an option is unknown, missing, or of the wrong type or value.
            ComponentFailed: its own code raised anything else.
        """
        with attributed(self.origin):
            return tagged(build(self.load(), options or {}, what=f"{self.kind} {self.name!r}"), self.origin)

    def options(self) -> list[tuple[str, str, str]]:
        """Return name, type and default of each option, see `describe`; raises as `create` does."""
        with attributed(self.origin):
            return describe(self.load())


@dataclass(frozen=True)
class OfferedRecipe:
    """A recipe with its source."""

    recipe: Recipe
    source: Source


class Registry:
    """Every component and recipe that the loaded plugins offer, found by kind and name."""

    def __init__(self, entries: Iterable[Entry], recipes: Iterable[OfferedRecipe] = ()) -> None:
        """Sort what is offered, so that nothing depends on the order of installation."""
        order = list(Kind)
        self._entries = sorted(entries, key=lambda e: (order.index(e.kind), e.name, e.source.distribution))
        self.recipes = tuple(sorted(recipes, key=lambda r: (r.recipe.name, r.source.distribution)))

    def __iter__(self) -> Iterator[Entry]:
        """All entries, by kind, name and distribution."""
        return iter(self._entries)

    def names(self, kind: Kind) -> list[str]:
        """The names offered for a kind."""
        return sorted({e.name for e in self if e.kind is kind})

    def find(self, kind: Kind, name: str) -> list[Entry]:
        """Every entry with that name: several if distributions disagree."""
        return [e for e in self if e.kind is kind and e.name == name]

    def get(self, kind: Kind, name: str) -> Entry:
        """The one entry with that name.

        Raises:
            UnknownComponent: nobody offers it; the nearest name is suggested.
            AmbiguousComponent: several distributions do; the message says how to block one.
        """
        found = self.find(kind, name)
        return _only(found, str(kind), name, self.names(kind), [e.source for e in found])

    def create(self, kind: Kind, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Build the component with that name; `options` are its keyword arguments."""
        return self.get(kind, name).create(options)

    def recipe(self, name: str) -> Recipe:
        """The one recipe with that name; raises as `get` does."""
        return self.offered_recipe(name).recipe

    def offered_recipe(self, name: str) -> OfferedRecipe:
        """The one recipe with that name and its source; raises as `get` does."""
        found = [r for r in self.recipes if r.recipe.name == name]
        return _only(found, "recipe", name, [r.recipe.name for r in self.recipes], [r.source for r in found])


def _only(found: list[T], what: str, name: str, known: list[str], sources: list[Source]) -> T:
    if not found:
        close = get_close_matches(name, known, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known) or 'none'}."
        raise UnknownComponent(f"no {what} is called {name!r}. {hint}")
    if len(found) > 1:
        offers = " and ".join(map(str, sources))
        apart = len({source.distribution for source in sources}) == len(sources)
        block = " or ".join(f"-p no:{source.distribution if apart else source.plugin}" for source in sources)
        raise AmbiguousComponent(f"{what} {name!r} is offered by {offers}. Block one with {block}.")
    return found[0]
