"""The base of all entries that plugins offer: their kinds, names, import paths and flags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar

from nnplug.errors import InvalidPlugin

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_METHODS = "methods"


class Kind(StrEnum):
    """The kinds of component that a plugin can offer: first those that a run uses, in this order; then the others."""

    EXTRACTOR = "extractor"
    PLANNER = "planner"
    PREPROCESSOR = "preprocessor"
    RESAMPLER = "resampler"
    NORMALIZER = "normalizer"
    ARCHITECTURE = "architecture"
    AUGMENTER = "augmenter"
    SAMPLER = "sampler"
    LOSS = "loss"
    TRAINER = "trainer"
    INFERENCE = "inference"
    POSTPROCESSOR = "postprocessor"
    METRIC = "metric"
    CONVERTER = "converter"
    READER = "reader"
    WRITER = "writer"
    TRACKER = "tracker"
    REPORTER = "reporter"
    HUB = "hub"
    EXECUTOR = "executor"
    ACCELERATOR = "accelerator"

    @property
    def planned(self) -> bool:
        """Return whether plans name a component of this kind. The other kinds are chosen for each command."""
        return self not in (
            Kind.METRIC,
            Kind.CONVERTER,
            Kind.READER,
            Kind.WRITER,
            Kind.TRACKER,
            Kind.REPORTER,
            Kind.HUB,
            Kind.EXECUTOR,
            Kind.ACCELERATOR,
        )

    @property
    def hook(self) -> str:
        """The hook that offers components of this kind."""
        return f"nnplug_{self}es" if self.endswith("s") else f"nnplug_{self}s"


def check_name(what: str, name: str) -> None:
    """Raise `InvalidPlugin` unless a name is lower-case words joined by hyphens."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidPlugin(f"{what} name {name!r} is not lower-case words joined by hyphens")


def check_summary(what: str, name: str, summary: str) -> None:
    """Raise `InvalidPlugin` unless a summary is one line of text."""
    if not isinstance(summary, str) or len(summary.splitlines()) > 1:
        raise InvalidPlugin(f"summary of {what} {name!r} is {summary!r}, which is no line of text")


def check_target(what: str, target: str, name: str) -> None:
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise InvalidPlugin(f"{what} {target!r} of component {name!r} is not 'package.module:attribute'")


def check_flags(what: str, name: str, entry: Any) -> None:
    """Raise `InvalidPlugin` unless the flags of an entry are booleans."""
    for flag in fields(entry):
        if type(flag.default) is bool and type(value := vars(entry)[flag.name]) is not bool:
            raise InvalidPlugin(f"{flag.name} of {what} {name!r} is {value!r}; expected True or False")


@dataclass(frozen=True)
class Component:
    """One implementation that can be chosen: a name and an import path.

    Hooks return the subclass of their kind, such as `ArchitectureComponent`. The fields that a subclass adds are
    keyword-only and declare the capabilities of the implementation beyond the contract of its kind.

    Attributes:
        name: the name that users type and that plans and weights record; lower-case words joined by hyphens.
        target: "package.module:attribute", a class whose keyword arguments are the component's options.
            It is imported when a user chooses the name, never by a listing.
        summary: one line for `nnplug components`.
        state_version: increase it when weights or rules that an older version saved can no longer be read.
    """

    kind: ClassVar[Kind]

    name: str
    target: str
    summary: str
    state_version: int = 1

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless name, target, summary, version and flags are valid."""
        check_name("component", self.name)
        check_summary("component", self.name, self.summary)
        check_target("target", self.target, self.name)
        if type(self.state_version) is not int:
            raise InvalidPlugin(f"state_version of component {self.name!r} is {self.state_version!r}; expected an int")
        check_flags("component", self.name, self)

    def promised(self) -> Iterator[tuple[str, str]]:
        """Yield each capability ("has_linear_head") that is set, with each method that the class needs for it."""
        for flag in fields(self):
            for method in flag.metadata.get(_METHODS, ()) if vars(self)[flag.name] else ():
                yield flag.name, method

    def unpromised(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each capability that is not set, with the methods of a class that has it."""
        for flag in fields(self):
            if (methods := flag.metadata.get(_METHODS)) and not vars(self)[flag.name]:
                yield flag.name, methods


def promises(*methods: str) -> Mapping[str, Any]:
    """Return the metadata of a flag that requires methods of the class."""
    return {_METHODS: methods}


@dataclass(frozen=True)
class ImpliableComponent(Component):
    """An entry of a kind that plans of an older nnplug do not name.

    Attributes:
        implied: whether plans without a name of this kind mean this one. Plans have no name if nnplug made them before
            the kind existed. Only the component that does what nnplug did then has True.
    """

    _: KW_ONLY
    implied: bool = False
