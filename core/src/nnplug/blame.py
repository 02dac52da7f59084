"""Whose fault it was: what a component raises is told in a line that names it and its distribution."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from nnplug.errors import ComponentFailed, InvalidPlugin, NnplugError

if TYPE_CHECKING:
    from nnplug.components import Entry

T = TypeVar("T")

_SIGNATURE = "_nnplug_entry"


def signed(component: T, entry: Entry) -> T:
    """Note on a component which entry it comes from; without room for a note it is told by the name of its class."""
    with suppress(AttributeError, TypeError):
        object.__setattr__(component, _SIGNATURE, entry)
    return component


def name_of(component: object) -> str:
    """As messages name a component: "normalizer 'log' from nnplug-x 1.0"."""
    entry = _entry(component)
    return str(entry) if entry else f"{type(component).__module__}.{type(component).__qualname__}"


@contextmanager
def blamed(*components: object) -> Iterator[None]:
    """Turn what a block raises into a line that names the component at fault.

    What users can mend themselves passes as it is: `NnplugError`, and errors of disk and memory.

    Args:
        components: made by `Entry.create`, or entries. The one whose package the error came from is at fault; where
            that is none of them, the first.

    Raises:
        ComponentFailed: as said; the exception is its cause.
    """
    try:
        yield
    except (NnplugError, OSError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, for which listings must not import torch
            raise
        raise ComponentFailed(_line(components, error)) from error


def expect(component: object, result: Any, wanted: type[T]) -> T:
    """Give the result of a component back.

    Raises:
        InvalidPlugin: it is not of the type that the component's contract promises.
    """
    if not isinstance(result, wanted):
        promised = f"{wanted.__module__}.{wanted.__qualname__}"
        raise InvalidPlugin(f"{name_of(component)} gave {type(result).__name__} instead of {promised}")
    return result


def _line(components: Sequence[object], error: BaseException) -> str:
    component, frame, line = _culprit(components, error)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    entry = _entry(component)
    remedy = f". Run: nnplug plugins check {entry.source.distribution}" if entry else ""
    return f"{name_of(component)} failed: {what} ({Path(frame.f_code.co_filename).name}, line {line}){remedy}"


def _culprit(components: Sequence[object], error: BaseException) -> tuple[object, FrameType, int]:
    """The component at fault, and where in its package, or else at all, the error came from."""
    frames = list(traceback.walk_tb(error.__traceback__))[::-1]
    for frame, line in frames:
        for component in components:
            if _package(frame.f_globals.get("__name__", "")) == _package(_module(component)):
                return component, frame, line
    return components[0], *frames[0]


def _package(module: str) -> str:
    """Of "package.module" or a target, "package.module:attribute"."""
    return module.partition(":")[0].partition(".")[0]


def _module(component: object) -> str:
    entry = _entry(component)
    return entry.component.target if entry else type(component).__module__


def _entry(component: object) -> Entry | None:
    from nnplug.components import Entry

    entry = component if isinstance(component, Entry) else getattr(component, _SIGNATURE, None)
    return entry if isinstance(entry, Entry) else None
