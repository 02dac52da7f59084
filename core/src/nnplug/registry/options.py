"""Options of components: named, typed and checked before anything runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from math import isnan
from pathlib import PurePath
from typing import Any

import msgspec

from nnplug.errors import InvalidOptions, InvalidPlugin, did_you_mean
from nnplug.registry.option_texts import option_words
from nnplug.runtime.records import CONVERTING


def build(target: Callable[..., Any], options: Mapping[str, Any], *, what: str) -> Any:
    """Check the names and types of options, and return the result of `target` called with them as keyword arguments.

    Values come from JSON or the command line. For a data class they are converted to the annotated types of its fields
    (a list to a tuple, 1 to 1.0 for a float, text to a `Path`); other classes get them unchanged. A field may be a
    number, text, a `Literal`, a `Path`, or a list, tuple, set or mapping of these; of other types only the default can
    be used.

    Args:
        target: a class, ideally a frozen dataclass, or a function.
        options: option name -> value.
        what: the name of the component in messages, such as "trainer 'acme'".

    Raises:
        InvalidOptions: an option is unknown, missing, or of the wrong type or value.
        InvalidPlugin: an annotation of the target uses a name that its module does not import at run time.
    """
    _check_names(target, options, what)
    for name, value in options.items():
        if _has_nan(value):
            raise InvalidOptions(f"{what}: option {name!r} is {value!r}; expected no NaN")
    try:
        if not is_dataclass(target):
            return target(**options)
        with CONVERTING:
            return msgspec.convert(dict(options), target, dec_hook=_converted)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise InvalidOptions(f"{what}: {_readable(str(error), options, target)}") from error
    except NameError as error:
        raise InvalidPlugin(
            f"{what}: {error}; import the types of options and class variables outside TYPE_CHECKING"
        ) from error


def describe(target: Callable[..., Any]) -> list[tuple[str, str, str]]:
    """Return name, type and default of each option, for `nnplug show`; without a default, "" stands for it."""
    return [(p.name, _annotation(p), _default(p, target)) for p in _parameters(target)]


def _converted(wanted: Any, value: Any) -> Any:
    """Return a value as a type that JSON does not have: a path.

    Raises:
        TypeError: the type is another one, or the value is no text.
    """
    if isinstance(wanted, type) and issubclass(wanted, PurePath) and isinstance(value, str):
        return wanted(value)
    name = wanted.__name__ if isinstance(wanted, type) else str(wanted).partition("[")[0].rpartition(".")[2]
    if name in ("Path", "PurePath"):
        raise TypeError(f"expected a path as text, got {type(value).__name__}")
    raise TypeError(f"its type {name} cannot be set, because options are JSON; only its default can be used")


def _annotation(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _default(parameter: inspect.Parameter, target: Callable[..., Any]) -> str:
    factories = {f.name: f.default_factory for f in fields(target)} if is_dataclass(target) else {}
    factory = factories.get(parameter.name, MISSING)
    if factory is not MISSING:
        return repr(factory())
    return "" if parameter.default is parameter.empty else repr(parameter.default)


def _parameters(target: Callable[..., Any]) -> list[inspect.Parameter]:
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in inspect.signature(target).parameters.values() if p.kind in by_name]


def _check_names(target: Callable[..., Any], options: Mapping[str, Any], what: str) -> None:
    known = [p.name for p in _parameters(target)]
    for name in sorted(set(options) - set(known)):
        hint = did_you_mean(name, known, f"It has {', '.join(known) or 'no options'}.")
        raise InvalidOptions(f"{what} has no option {name!r}. {hint}")


def _has_nan(value: Any) -> bool:
    """Return whether a number in a value is NaN, which Python reads in JSON, and which no comparison finds."""
    if isinstance(value, Mapping):
        return any(_has_nan(one) for one in value.values())
    if isinstance(value, (list, tuple, set)):
        return any(_has_nan(one) for one in value)
    return isinstance(value, float) and isnan(value)


def _readable(message: str, options: Mapping[str, Any], target: Callable[..., Any]) -> str:
    """Turn msgspec's "Expected `int`, got `str` - at `$.size`" into words that quote the option's value."""
    reason, _, place = message.partition(" - at ")
    option = re.match(r"`\$\.(\w+)", place)
    words = reason.replace("Object missing required field", "there is no default for option").replace("`", "'")
    if option is None:
        return words
    if known := option_words(target).get(option[1]):
        words = f"expected {', '.join(known)}"
    return f"option {option[1]!r} is {options[option[1]]!r}: {words[0].lower()}{words[1:]}"
