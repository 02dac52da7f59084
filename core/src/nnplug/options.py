"""Options of components: named, typed and checked before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from difflib import get_close_matches
from typing import Any

import msgspec

from nnplug.errors import InvalidOptions


def build(target: Callable[..., Any], options: Mapping[str, Any], *, what: str) -> Any:
    """Call `target` with the options as keyword arguments, after checking their names and types.

    Values are those that JSON or the command line gives. The fields of a dataclass are converted to their
    annotated types (lists become tuples, 1 becomes 1.0 where a float is wanted); other classes get them as they are.

    Args:
        target: a class, ideally a frozen dataclass, or a function.
        options: option name -> value.
        what: how messages name the component, such as "trainer 'nnunet'".

    Raises:
        InvalidOptions: an option is unknown, missing, or of the wrong type or value.
    """
    _check_names(target, options, what)
    try:
        return msgspec.convert(dict(options), target) if is_dataclass(target) else target(**options)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise InvalidOptions(f"{what}: {_readable(str(error))}") from error


def describe(target: Callable[..., Any]) -> list[tuple[str, str, str]]:
    """Name, type and default of each option, for `nnplug show`."""
    return [
        (
            p.name,
            inspect.formatannotation(p.annotation).replace("'", ""),
            "" if p.default is p.empty else repr(p.default),
        )
        for p in _parameters(target)
    ]


def _parameters(target: Callable[..., Any]) -> list[inspect.Parameter]:
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in inspect.signature(target).parameters.values() if p.kind in by_name]


def _check_names(target: Callable[..., Any], options: Mapping[str, Any], what: str) -> None:
    known = [p.name for p in _parameters(target)]
    for name in sorted(set(options) - set(known)):
        close = get_close_matches(name, known, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(known) or 'no options'}."
        raise InvalidOptions(f"{what} has no option {name!r}. {hint}")


def _readable(message: str) -> str:
    """Turn msgspec's JSON path into the option's name: "`$.epochs`" -> "epochs"."""
    return message.replace("`$.", "`").replace("`", "'")
