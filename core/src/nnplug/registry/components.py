"""Keep the entries of plugins, and find and build components."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Generic, TypeVar, cast, overload

from nnplug.errors import AmbiguousComponent, Interruption, InvalidPlugin, UnknownComponent, did_you_mean
from nnplug.registry.attribution import Origin, attributed, tagged
from nnplug.registry.base_entry import Component, Kind, check_flags, check_name, check_summary
from nnplug.registry.options import build, describe
from nnplug.registry.promises import check_promises
from nnplug.remedies import Action, Names

T = TypeVar("T")

C = TypeVar("C", bound=Component)
C_co = TypeVar("C_co", bound=Component, covariant=True)
T_co = TypeVar("T_co", covariant=True)

PLAN_WORD = "plan"
"""The word of fields of configurations, beside those of kinds, in options of recipes and of users."""

__all__ = [
    "PLAN_WORD",
    "AnyEntry",
    "Component",
    "Entry",
    "Kind",
    "OfferedRecipe",
    "Recipe",
    "Registry",
    "Source",
    "TypedKind",
]


@dataclass(frozen=True)
class Recipe:
    """A named choice of components, and options for them. Planning expands it into the plans.

    Attributes:
        name: the value of `--recipe`.
        choices: kind -> component name. If a kind that plans must name is missing, the default recipe's choice is used.
        summary: one line for listings.
        options: kind -> options of the chosen component, as in `--set KIND.KEY=VALUE`; "plan" -> fields of all
            configurations that can have them, as in `--set plan.KEY=VALUE`.
        default: whether this recipe is used if the user names none, and for kinds that other recipes leave out.
    """

    name: str
    choices: Mapping[str, str]
    summary: str
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    _: KW_ONLY
    default: bool = False

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless name, summary and flags are valid."""
        check_name("recipe", self.name)
        check_summary("recipe", self.name, self.summary)
        check_flags("recipe", self.name, self)

    @property
    def fault(self) -> str:
        """The reason why this nnplug cannot use the recipe, such as a kind of a later version; empty if it can.

        Only this recipe is disabled, not its plugin. Without the unknown kind it would use the default unnoticed.
        """
        kinds = [str(kind) for kind in Kind if kind.planned]
        given: tuple[tuple[str, Any], ...] = (("choices", self.choices), ("options", self.options))
        for what, values in given:
            if not isinstance(values, Mapping):
                return f"its {what} are {values!r}; expected a mapping of kinds"
        options = set(self.options) - {PLAN_WORD}
        if unknown := sorted(str(kind) for kind in {*self.choices, *options} - set(kinds)):
            return f"it chooses {', '.join(unknown)}; kinds are {', '.join(kinds)}"
        names = [f"{kind} is {name!r}" for kind, name in self.choices.items() if not isinstance(name, str)]
        return f"its {names[0]}; expected the name of a component" if names else ""


@dataclass(frozen=True)
class Source:
    """The plugin and the installed distribution that offer a component or a recipe."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        """Return distribution and version, such as "nnplug-x 1.0"."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class TypedKind(Generic[C, T_co]):
    """A kind with the types of its entries and components, for `Registry.get` and `create`; see `nnplug.contracts`.

    Attributes:
        component: the class of the entries.
    """

    component: type[C]


@dataclass(frozen=True)
class Entry(Generic[C_co, T_co]):
    """An entry with its source; `T_co` is the type of the component that it makes."""

    component: C_co
    source: Source

    @property
    def kind(self) -> Kind:
        """The component's kind."""
        return self.component.kind

    @property
    def name(self) -> str:
        """The component's name."""
        return self.component.name

    def __str__(self) -> str:
        """Return the text for messages: kind, name and distribution."""
        return f"{self.kind} {self.name!r} from {self.source}"

    @property
    def origin(self) -> Origin:
        """The entry's title, name, module, distribution and version, for messages and records."""
        module = self.component.target.partition(":")[0]
        return Origin(str(self), self.source.distribution, module, self.name, self.source.version)

    def load(self) -> Any:
        """Import the target and return it.

        Raises:
            InvalidPlugin: the target cannot be imported or called, or is a class without a method that the entry
                promises; the message names component and distribution.
        """
        target = self._resolve(self.component.target)
        if isinstance(target, type):
            check_promises(str(self), self.component, target)
        return target

    def create_part(self, target: str) -> Any:
        """Import another class that the entry names, and return an instance made without arguments.

        Errors are attributed to this entry.

        Raises:
            InvalidPlugin: as `load`.
            ComponentFailed: its own code raised anything else.
        """
        origin = Origin(str(self), self.source.distribution, target.partition(":")[0])
        with attributed(origin):
            return tagged(self._resolve(target)(), origin)

    def _resolve(self, target: str) -> Callable[..., Any]:
        try:
            found = pkgutil.resolve_name(target)
        except (KeyboardInterrupt, Interruption):
            raise
        except BaseException as error:  # sys.exit() and a panic in an extension are no `Exception`
            raise InvalidPlugin(f"{self} cannot be imported ({target}: {type(error).__name__}: {error})") from error
        if not callable(found):
            raise InvalidPlugin(f"{self} is no class ({target} is {found!r})")
        return cast("Callable[..., Any]", found)

    def create(self, options: Mapping[str, Any] | None = None) -> T_co:
        """Import the target and return an instance made with checked options. Errors are attributed to this entry.

        Raises:
            InvalidPlugin: as `load`, or an option's annotation cannot be used.
            InvalidOptions: an option is unknown, missing, or of the wrong type or value.
            ComponentFailed: its own code raised anything else.
        """
        with attributed(self.origin):
            target = self.load()
            made = build(target, options or {}, what=f"{self.kind} {self.name!r}")
            if not isinstance(target, type):
                check_promises(str(self), self.component, type(made))
            return cast("T_co", tagged(made, self.origin))

    def options(self) -> list[tuple[str, str, str]]:
        """Return name, type and default of each option, see `describe`; raises as `create` does."""
        with attributed(self.origin):
            return describe(self.load())


AnyEntry = Entry[Component, Any]
"""An entry of any kind."""


@dataclass(frozen=True)
class OfferedRecipe:
    """A recipe with its source."""

    recipe: Recipe
    source: Source


class Registry:
    """The components and recipes that the loaded plugins offer, by kind and name."""

    def __init__(self, entries: Iterable[AnyEntry], recipes: Iterable[OfferedRecipe] = ()) -> None:
        """Sort entries and recipes, so that nothing depends on the order of installation."""
        order = list(Kind)
        self._entries = sorted(entries, key=lambda e: (order.index(e.kind), e.name, e.source.distribution))
        self.recipes = tuple(sorted(recipes, key=lambda r: (r.recipe.name, r.source.distribution)))

    def __iter__(self) -> Iterator[AnyEntry]:
        """Return an iterator over all entries, sorted by kind, name and distribution."""
        return iter(self._entries)

    def names(self, kind: Kind) -> list[str]:
        """Return the sorted names that are offered for a kind."""
        return sorted({e.name for e in self if e.kind is kind})

    def find(self, kind: Kind, name: str) -> list[AnyEntry]:
        """Return every entry with that name: several if several distributions offer it."""
        return [e for e in self if e.kind is kind and e.name == name]

    @overload
    def get(self, kind: TypedKind[C, T], name: str) -> Entry[C, T]: ...
    @overload
    def get(self, kind: Kind, name: str) -> AnyEntry: ...
    def get(self, kind: Kind | TypedKind[Any, Any], name: str) -> AnyEntry:
        """Return the one entry with that name. A kind of `nnplug.contracts`, such as `TRAINER`, sets its type.

        Raises:
            UnknownComponent: no plugin offers it; the message suggests the nearest name.
            AmbiguousComponent: several distributions offer it; the message shows how to block one.
        """
        plain = kind if isinstance(kind, Kind) else kind.component.kind
        found = self.find(plain, name)
        return _only(found, str(plain), name, self.names(plain), [e.source for e in found])

    @overload
    def create(self, kind: TypedKind[C, T], name: str, options: Mapping[str, Any] | None = None) -> T: ...
    @overload
    def create(self, kind: Kind, name: str, options: Mapping[str, Any] | None = None) -> Any: ...
    def create(self, kind: Kind | TypedKind[Any, Any], name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Return the component with that name, made with `options` as keyword arguments.

        Raises:
            NnplugError: as in `get` and `Entry.create`.
        """
        return self.get(kind, name).create(options)

    def default_recipe(self) -> Recipe | None:
        """Return the recipe that a plugin offers as the default, or None if no plugin does.

        Raises:
            AmbiguousComponent: several plugins do; the message shows how to choose one.
        """
        found = [offered for offered in self.recipes if offered.recipe.default]
        if len(found) > 1:
            both = " and ".join(f"{offered.recipe.name!r} of {offered.source}" for offered in found)
            recipes = Names(offered.recipe.name for offered in found)
            names = _blockable([offered.source for offered in found])
            raise AmbiguousComponent(
                f"recipes {both} are both the default", Action.CHOOSE_DEFAULT_RECIPE(recipes=recipes, names=names)
            )
        return found[0].recipe if found else None

    def recipe(self, name: str) -> Recipe:
        """Return the one recipe with that name.

        Raises:
            UnknownComponent, AmbiguousComponent: as in `get`.
        """
        return self.offered_recipe(name).recipe

    def offered_recipe(self, name: str) -> OfferedRecipe:
        """Return the one recipe with that name and its source.

        Raises:
            UnknownComponent, AmbiguousComponent: as in `get`.
        """
        found = [r for r in self.recipes if r.recipe.name == name]
        return _only(found, "recipe", name, [r.recipe.name for r in self.recipes], [r.source for r in found])


def _blockable(sources: Sequence[Source]) -> Names:
    """Return the names that block one source each: of distributions, or of plugins if they share a distribution."""
    apart = len({source.distribution for source in sources}) == len(sources)
    return Names(source.distribution if apart else source.plugin for source in sources)


def _only(found: list[T], what: str, name: str, known: list[str], sources: list[Source]) -> T:
    if not found:
        hint = did_you_mean(name, known, f"Known: {', '.join(known) or 'none'}.")
        raise UnknownComponent(f"no {what} is called {name!r}. {hint}")
    if len(found) > 1:
        offers = " and ".join(map(str, sources))
        raise AmbiguousComponent(
            f"{what} {name!r} is offered by {offers}", Action.BLOCK_ONE_PLUGIN(names=_blockable(sources))
        )
    return found[0]
