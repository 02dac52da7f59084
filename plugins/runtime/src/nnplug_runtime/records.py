"""Read JSON into frozen data classes by their annotations."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from nnplug_runtime.faults import Fault

T = TypeVar("T")


def converted(data: Any, kind: type[T], where: str) -> T:
    """Return JSON data as a data class. Keys that it does not have are ignored: newer exports may have more.

    Args:
        data: the result of `json.loads`.
        kind: a data class; its fields are numbers, texts, tuples, mappings, data classes, or one of these or None.
        where: the file and the key, for messages.

    Raises:
        Fault: a key is missing, or a value has the wrong type; the message names `where` and the key.
    """
    return cast("T", _value(data, kind, where))


def _value(data: Any, kind: Any, where: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return data
    if origin in (Union, types.UnionType):
        inner = next(one for one in get_args(kind) if one is not types.NoneType)
        return None if data is None else _value(data, inner, where)
    if is_dataclass(kind):
        return _record(data, kind, where)
    if origin is tuple and isinstance(data, list):
        return _items(data, get_args(kind), where)
    if origin in (dict, Mapping) and isinstance(data, dict):
        inner = get_args(kind)[1]
        return {key: _value(value, inner, f"{where}.{key}") for key, value in data.items()}
    if _is_plain(data, kind):
        return kind(data)
    raise Fault(f"{where} is {str(data)[:80]!r}; export the model again")


def _is_plain(data: Any, kind: Any) -> bool:
    if isinstance(data, bool):
        return kind is bool
    return (kind is float and isinstance(data, int | float)) or (kind in (int, str) and isinstance(data, kind))


def _items(data: list[Any], kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(data)
    if len(kinds) != len(data):
        raise Fault(f"{where} has {len(data)} values, expected {len(kinds)}; export the model again")
    return tuple(_value(one, kind, f"{where}[{n}]") for n, (one, kind) in enumerate(zip(data, kinds, strict=True)))


def _record(data: Any, kind: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise Fault(f"{where} is {str(data)[:80]!r}; export the model again")
    hints, given = get_type_hints(kind), {}
    for one in fields(kind):
        if one.name in data:
            given[one.name] = _value(data[one.name], hints[one.name], f"{where}.{one.name}")
        elif one.default is MISSING:
            raise Fault(f"{where}.{one.name} is missing; export the model again")
    return kind(**given)
