"""Attribute errors: turn an exception of a component into one line with its name and distribution."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EDQUOT, EIO, ENOSPC, EROFS
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from nnplug.errors import ComponentFailed, InvalidPlugin, NnplugError, OutOfResources
from nnplug.remedies import Action, Remedy
from nnplug.runtime.device_memory import lacks_memory
from nnplug.runtime.files import disk_remedy

T = TypeVar("T")

_ORIGIN = "_nnplug_origin"


@dataclass(frozen=True)
class Origin:
    """The entry that a component was made from, as messages need it.

    Attributes:
        title: kind, name and distribution, such as "normalizer 'log' from nnplug-x 1.0".
        distribution: the name for pip.
        module: the module that the component is imported from.
        name: the name of the entry.
        version: the version of the distribution.
    """

    title: str
    distribution: str
    module: str
    name: str = ""
    version: str = ""


def tagged(component: T, origin: Origin) -> T:
    """Store the origin of a component on it and return it.

    A component that accepts no attributes is returned unchanged; messages name it by its class.
    """
    with suppress(AttributeError, TypeError):
        object.__setattr__(component, _ORIGIN, origin)
    return component


def origin_of(component: object) -> Origin | None:
    """Return the origin of a component that `Entry.create` made, or None."""
    origin = component if isinstance(component, Origin) else getattr(component, _ORIGIN, None)
    return origin if isinstance(origin, Origin) else None


def name_of(component: object) -> str:
    """Return the name of a component for messages: "normalizer 'log' from nnplug-x 1.0"."""
    origin = origin_of(component)
    return origin.title if origin else f"{type(component).__module__}.{type(component).__qualname__}"


@contextmanager
def attributed(*components: object) -> Iterator[None]:
    """Turn errors of a block into one line that names the component at fault.

    `NnplugError` passes unchanged: users can remedy it. So do a GPU's lack of memory, and a pipe that is closed.

    Args:
        components: components made by `Entry.create`, or their origins. At fault is the one whose package raised the
            error, or else the first.

    Raises:
        OutOfResources: the block raised an error of disk or memory, which is the cause.
        ComponentFailed: the block raised any other exception, which is the cause.
    """
    try:
        yield
    except (NnplugError, BrokenPipeError):
        raise
    except (OSError, MemoryError) as error:
        raise _shortage(components, error) from error
    except (Exception, SystemExit) as error:
        if lacks_memory(error):
            raise
        raise _failure(components, error) from error


def expect(component: object, result: Any, wanted: type[T]) -> T:
    """Return the result of a component if it has the type `wanted`.

    Raises:
        InvalidPlugin: it has another type than the component's contract promises.
    """
    if not isinstance(result, wanted):
        promised = f"{wanted.__module__}.{wanted.__qualname__}".removeprefix("builtins.")
        raise broken(component, f"gave {type(result).__name__} instead of {promised}")
    return result


def broken(component: object, fault: str) -> InvalidPlugin:
    """Return the error that a component breaks its contract, with the command that checks its distribution.

    Args:
        component: a component made by `Entry.create`.
        fault: the rest of the sentence after the component's name ("gave a list instead of one tensor").
    """
    return InvalidPlugin(f"{name_of(component)} {fault}", _remedy(origin_of(component)))


def _remedy(origin: Origin | None) -> Remedy | None:
    return Action.CHECK_PLUGIN(distribution=origin.distribution) if origin else None


def _shortage(components: Sequence[object], error: OSError | MemoryError) -> OutOfResources:
    """Return the error that names component and file, with the remedy if it is one of disk or memory."""
    component, _, _ = _culprit(components, error)
    if isinstance(error, MemoryError):
        what = " ".join(str(error).split())
        return OutOfResources(
            f"{name_of(component)} ran out of memory{f' ({what})' if what else ''}", Action.USE_ONE_THREAD()
        )
    reason = error.strerror or str(error) or type(error).__name__
    line = f"{name_of(component)} failed: {'' if error.filename is None else f'{error.filename}: '}{reason}"
    if error.errno in (EDQUOT, EIO, EROFS):
        return OutOfResources(f"{line}. {disk_remedy(error)}")
    return OutOfResources(line, Action.FREE_SPACE() if error.errno == ENOSPC else None)


def _failure(components: Sequence[object], error: BaseException) -> ComponentFailed:
    component, frame, line = _culprit(components, error)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    place = f"{Path(frame.f_code.co_filename).name}, line {line}"
    return ComponentFailed(f"{name_of(component)} failed: {what} ({place})", _remedy(origin_of(component)))


def _culprit(components: Sequence[object], error: BaseException) -> tuple[object, FrameType, int]:
    """Return the component at fault, and the frame and line of its package, or else of the error."""
    frames = list(traceback.walk_tb(error.__traceback__))[::-1]
    for frame, line in frames:
        package = _package(frame.f_globals.get("__name__", ""))
        for component in components:
            if package in _packages(component):
                return component, frame, line
    return components[0], *frames[0]


def _packages(component: object) -> set[str]:
    """Return the packages with the code of a component: its own, and those of the base classes that it inherits from.

    A step that a subclass overrides wrongly is called by the code of its base class.
    """
    origin = origin_of(component)
    own = origin.module if origin else type(component).__module__
    bases = {_package(base.__module__) for base in type(component).__mro__[1:]}
    return {_package(own), *(bases - _NOT_PLUGINS)}


def _package(module: str) -> str:
    return module.partition(".")[0]


_NOT_PLUGINS = {"abc", "builtins", "nnplug", "torch", "typing"}
